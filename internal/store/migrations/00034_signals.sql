-- +goose Up
-- Signals that were heard, each once, and what was done of them; and those that
-- somebody is to have, in the order they are handed out. Both are forgotten in time:
-- the log has what was done.
create table signal_heard (
    transmitter text   not null,
    jti         text   not null,
    event       text   not null,
    identity    text   not null,
    did         text   not null,
    said_at     bigint not null,
    doc         text   not null,
    at          bigint not null,
    forget_at   bigint not null,
    primary key (transmitter, jti)
);
create index signal_heard_forget on signal_heard (forget_at);
create index signal_heard_did on signal_heard (transmitter, did, at);
create index signal_heard_whose on signal_heard (transmitter, identity, did) where identity <> '';
create table signal_out (
    id       text   primary key,
    receiver text   not null,
    event    text   not null,
    subject  text   not null,
    says     text   not null,
    at       bigint not null,
    done_at  bigint,
    error    text   not null
);
create index signal_out_waiting on signal_out (receiver, id) where done_at is null;
create index signal_out_done on signal_out (done_at) where done_at is not null;

-- +goose Down
drop table signal_out;
drop table signal_heard;
