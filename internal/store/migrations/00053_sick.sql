-- +goose Up
-- Systems that answer no look, as all replicas know them: while one stands here a few of what
-- waits are tried at a time, and nothing else is sent there.
create table sick (
    system   text   primary key,
    since    bigint not null,
    probe_at bigint not null,
    told     bigint not null,
    trouble  text   not null
);
create index assignment_blind on assignment (system, state, attempts, due_at, id) where blind;

-- +goose Down
drop index assignment_blind;
drop table sick;
