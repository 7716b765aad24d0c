-- +goose Up
-- What witnesses signed of the log's heads: the newest of each, and the last one that
-- enough of them signed.
create table cosignature (
    witness text   not null,
    size    bigint not null,
    line    text   not null,
    at      bigint not null,
    primary key (witness, size)
);
-- Where another key followed the one that signed the log before.
create table log_key (
    id       text   primary key,
    size     bigint not null unique,
    key      text   not null,
    says     text   not null,
    at       bigint not null
);

-- +goose Down
drop table log_key;
drop table cosignature;
