-- +goose Up
-- The latest time at which anything may have been done, and since when every event has
-- a stamp: what the log's key says to it while it waits for its place.
create table clock (
    one          bigint primary key check (one = 1),
    mark         bigint not null,
    stamped_from bigint not null,
    stamp        bytea  not null
);
alter table event add column stamp bytea;

-- +goose Down
alter table event drop column stamp;
drop table clock;
