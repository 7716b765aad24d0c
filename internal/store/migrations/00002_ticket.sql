-- +goose Up
-- Tickets as last read, and the nudges that said to read them.

create table ticket (
    id       text primary key,
    state    text   not null,
    request  text   not null,
    identity text   not null,
    body     text   not null,
    version  bigint not null,
    read_at  bigint
);
create index ticket_request on ticket (request) where request <> '';
create index ticket_state on ticket (state);

-- A nudge is noted once: what it says is believed by nobody, that it came is durable.
create table nudge (
    site   text   not null,
    digest text   not null,
    ticket text   not null,
    at     bigint not null,
    primary key (site, digest)
);
create index nudge_at on nudge (at);

-- How far something that is read bit by bit has been read.
create table reading (
    name text primary key,
    at   bigint not null
);

create index request_ticket on request (ticket) where ticket <> '';

-- +goose Down
drop index request_ticket;
drop table reading;
drop table nudge;
drop table ticket;
