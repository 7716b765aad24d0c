-- +goose Up
-- The changes of generation of planned credentials, and their ends. What one is worth
-- stands nowhere here. Of one credential at most one is under way, whatever code does.
create table rotation (
    id            text primary key,
    credential    text   not null,
    system        text   not null,
    generation    bigint not null,
    state         text   not null,
    body          text   not null,
    due_at        bigint,
    holder        text   not null,
    lease_until   bigint,
    fence         bigint not null,
    suspect_until bigint,
    attempts      bigint not null,
    since         bigint,
    told          bigint not null,
    trouble       text   not null
);
create unique index rotation_generation on rotation (credential, generation);
create unique index rotation_open on rotation (credential) where state not in ('done', 'dead', 'dropped');
create index rotation_due on rotation (system, due_at) where due_at is not null;
create index rotation_state on rotation (system, state);

-- +goose Down
drop table rotation;
