-- +goose Up
-- Lists are found by index, however many rows there are that are none of the
-- reader's. What a request is found by: who is in it, what it asks for and of
-- which system, and the groups and systems whose people answer it. A key leads
-- to a request; whether the reader may know of it is asked each time.
create table request_key (
    key     text    not null,
    request text    not null references request (id),
    waits   boolean not null,
    primary key (key, request)
);
create index request_key_waits on request_key (key, request) where waits;
create index request_key_request on request_key (request);
create index request_state_id on request (state, id);

-- Grants by whose they are and what they are of, newest first; most have ended.
drop index grants_identity;
create index grants_identity on grants (identity, id);
create index grants_identity_open on grants (identity, id) where state <> 'ended';
create index grants_entitlement_open on grants (entitlement, id) where state <> 'ended';
create index grants_id_open on grants (id) where state <> 'ended';

create index finding_owner on finding (owner, id);
create index finding_id_open on finding (id) where closed_at is null;
create index finding_owner_open on finding (owner, id) where closed_at is null;

-- What was done under a key that its sender may send again, and the answer.
create table answered (
    identity text   not null,
    key      text   not null,
    digest   text   not null,
    about    text   not null,
    at       bigint not null,
    status   bigint not null,
    body     text   not null,
    primary key (identity, key)
);
create index answered_at on answered (at);

-- What the doors prove to themselves with, such as that a cursor is one of theirs.
create table door_key (
    name text  primary key,
    key  bytea not null
);

-- +goose Down
drop table door_key;
drop table answered;
drop index finding_owner_open;
drop index finding_id_open;
drop index finding_owner;
drop index grants_id_open;
drop index grants_entitlement_open;
drop index grants_identity_open;
drop index grants_identity;
create index grants_identity on grants (identity, state);
drop index request_state_id;
drop table request_key;
