-- +goose Up
-- Each process that serves says now and then that it is there, and on what files.
create table replica (
    id       text   primary key,
    name     text   not null,
    version  text   not null,
    files    text   not null,
    began_at bigint not null,
    seen_at  bigint not null
);

-- +goose Down
drop table replica;
