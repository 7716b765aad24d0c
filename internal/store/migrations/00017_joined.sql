-- +goose Up
-- Whom feeds have told of or somebody has registered, beside the directory of the
-- files, and who answers for what changed hands. Nothing here is deleted: who has
-- left stays, marked so. The version of a row is that of the roster when it was
-- written, so that others read only what is new to them.
create table identity (
    id      text primary key,
    source  text   not null,
    doc     text   not null,
    version bigint not null
);
create index identity_version on identity (version);
create index identity_source on identity (source, id);
create table hand (
    subject text primary key,
    owner   text   not null,
    version bigint not null
);
create index hand_version on hand (version);

-- +goose Down
drop table hand;
drop table identity;
