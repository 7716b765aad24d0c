-- +goose Up
-- What targets themselves say of what can be held there, as readings have it. Of what
-- is gone, that it is.
create table said_object (
    system      text   not null,
    object      text   not null,
    description text   not null,
    powers      text   not null,
    why         text   not null,
    since       bigint not null,
    gone_at     bigint,
    primary key (system, object)
);
create index said_object_powers on said_object (system, object) where powers <> '[]';
-- Every time that what they say of powers changes has a name of its own, so that what
-- follows from it is found out once.
create table said_powers (
    one  bigint primary key check (one = 1),
    name text   not null
);
insert into said_powers (one, name) values (1, '');

-- +goose Down
drop table said_powers;
drop table said_object;
