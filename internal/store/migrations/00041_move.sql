-- +goose Up
-- One row, where the database is on its way into another or out of it: then nobody serves it.
create table move (
    one   bigint primary key check (one = 1),
    state text   not null,
    token text   not null,
    other text   not null,
    at    bigint not null
);

-- +goose Down
drop table move;
