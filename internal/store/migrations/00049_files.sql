-- +goose Up
-- Which files were in force, from when on, and by whose word: each is a set of names with
-- the digests of their texts. Those that were asked for only are not in force yet.
create table files (
    id           text   primary key,
    digest       text   not null,
    in_force_at  bigint,
    confirmed_at bigint,
    doc          text   not null
);
create index files_in_force on files (in_force_at);
create index files_digest on files (digest);

-- +goose Down
drop table files;
