-- +goose Up
-- Who is signed in. The token itself is nowhere, only its hash: a copy of the
-- database opens no door.

create table session (
    hash     text   primary key,
    identity text   not null,
    strength text   not null,
    began_at bigint not null,
    seen_at  bigint not null,
    end_at   bigint not null check (end_at > began_at)
);
create index session_identity on session (identity);
create index session_end on session (end_at);

-- Who holds an entitlement: its owner's page, and what an approver sees of peers.
create index grants_entitlement on grants (entitlement, id);

-- +goose Down
drop index grants_entitlement;
drop table session;
