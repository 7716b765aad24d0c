-- +goose Up
-- Whether somebody holds something, and who holds it, are read by what is open,
-- however many grants there ever were.
create index grants_pair on grants (identity, entitlement) where state <> 'ended';
create index grants_holders on grants (entitlement, identity) where state <> 'ended';

-- What a program was told of a request it asked for: a handle, and the id by which
-- it names the approval later. Both only find; neither opens anything. The row is
-- written before the request is, and says in full what is asked: whoever repeats
-- the submission after a crash asks for the same, once.
create table authzen_task (
    id         text   primary key,
    approval   text   not null unique,
    identity   text   not null,
    repeat_key text   not null,
    body       text   not null,
    asked      text   not null,
    evaluation text   not null,
    ask        text   not null,
    client     text   not null,
    request    text   not null,
    at         bigint not null,
    end_at     bigint not null,
    forget_at  bigint not null
);
create unique index authzen_task_repeat on authzen_task (identity, repeat_key);
create index authzen_task_forget on authzen_task (forget_at);

-- +goose Down
drop table authzen_task;
drop index grants_holders;
drop index grants_pair;
