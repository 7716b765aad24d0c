-- +goose Up
-- How transactions on PostgreSQL keep out of each other's way without a lock on what
-- they did not read (internal/store/manner.go). Nothing is kept here that means anything:
-- touched counts how often a deed has read or written what concerns an identity, and gate
-- has no rows, it is only locked.
create table touched (
    identity text   primary key,
    times    bigint not null
);
create table gate (
    one bigint primary key check (one = 1)
);

-- +goose Down
drop table gate;
drop table touched;
