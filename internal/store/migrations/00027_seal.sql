-- +goose Up
-- Credentials that lie sealed for the day Lessor is down; one an account stands at a time.
-- Whoever keeps one settles no use of it, whatever code does.
create table seal (
    id         text primary key,
    system     text   not null,
    account    text   not null,
    state      text   not null,
    keeper     text   not null,
    keeper2    text   not null check (keeper2 <> keeper),
    until_at   bigint not null,
    settled_by text   not null check (settled_by <> keeper and settled_by <> keeper2),
    doc        text   not null
);
create unique index seal_stands on seal (system, account) where state in ('whole', 'broken');

-- +goose Down
drop table seal;
