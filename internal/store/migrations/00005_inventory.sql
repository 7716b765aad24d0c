-- +goose Up
-- What whole readings have seen.

-- Each object that was read whole: since when; who held it then, ungranted, and
-- has ever since; and who holds it ungranted as of the last reading.
create table inventory_object (
    system   text   not null,
    object   text   not null,
    since    bigint not null,
    already  text   not null,
    stray    text   not null,
    primary key (system, object)
);

-- Access that nobody granted and that was asked for on behalf of its holder: the last request.
create table adoption (
    system  text not null,
    account text not null,
    object  text not null,
    request text not null references request (id),
    primary key (system, account, object)
);

-- Accounts by the id that their system never gives twice.
create table account (
    system text   not null,
    name   text   not null,
    native text   not null,
    since  bigint not null,
    primary key (system, name)
);

-- What accounts made or handed out at a system, and when that was first seen.
create table trace (
    system  text   not null,
    account text   not null,
    what    text   not null,
    since   bigint not null,
    primary key (system, account, what)
);

-- +goose Down
drop table trace;
drop table account;
drop table adoption;
drop table inventory_object;
