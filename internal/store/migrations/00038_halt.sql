-- +goose Up
-- Times in which nothing is granted, for a reason; one open at most of each.
create table halt (
    id       text   primary key,
    reason   text   not null check (reason in ('recovery', 'clock', 'witness', 'log', 'disk')),
    body     text   not null,
    at       bigint not null,
    ended_at bigint,
    ended_by text   not null,
    note     text   not null
);
create unique index halt_open on halt (reason) where ended_at is null;

-- +goose Down
drop table halt;
