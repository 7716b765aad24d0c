-- +goose Up
-- One SQL text for SQLite and PostgreSQL. Moments are whole microseconds since
-- 1970 UTC (bigint, null where there is none); terms are microseconds. No
-- statement ever asks the database for the time.

create table request (
    id          text primary key,
    revision    bigint  not null check (revision > 0),
    digest      text    not null,
    state       text    not null,
    requester   text    not null,
    beneficiary text    not null,
    items       text    not null,
    reason      text    not null,
    ticket      text    not null,
    start_at    bigint,
    term        bigint  not null check (term > 0),
    fixed       boolean not null,
    extends     text    not null,
    answer_by   bigint  not null,
    channel     text    not null,
    reference   text    not null,
    policy      text    not null,
    at          bigint  not null
);
create unique index request_reference on request (channel, requester, reference) where reference <> '';
create index request_state on request (state, answer_by);
create index request_beneficiary on request (beneficiary, state);
create index request_requester on request (requester);

create table approval (
    id           text primary key,
    request      text   not null references request (id),
    revision     bigint not null,
    digest       text   not null,
    entitlement  text   not null,
    stage        text   not null,
    voter        text   not null,
    person       text   not null,
    verdict      text   not null check (verdict in ('approve', 'deny')),
    term         bigint not null,
    basis        text   not null,
    strength     text   not null,
    note         text   not null,
    channel      text   not null,
    at           bigint not null,
    withdrawn_at bigint
);
-- One person, one vote across all stages of one entitlement, whatever code does.
create unique index approval_one on approval (request, revision, entitlement, person) where withdrawn_at is null;

create table assignment (
    id            text primary key,
    system        text    not null,
    account       text    not null,
    object        text    not null,
    identity      text    not null,
    entitlement   text    not null,
    state         text    not null,
    receipt       text    not null,
    seen_at       bigint,
    due_at        bigint,
    holder        text    not null,
    lease_until   bigint,
    fence         bigint  not null,
    suspect_until bigint,
    attempts      bigint  not null,
    since         bigint,
    told          bigint  not null,
    confirm       boolean not null,
    trouble       text    not null,
    unique (system, account, object)
);
create index assignment_due on assignment (system, due_at) where due_at is not null;
create index assignment_leased on assignment (system, lease_until) where lease_until is not null;
create index assignment_identity on assignment (identity);

create table grants (
    id          text primary key,
    request     text   not null references request (id),
    revision    bigint not null,
    digest      text   not null,
    identity    text   not null,
    entitlement text   not null,
    assignment  text   not null references assignment (id),
    state       text   not null,
    start_at    bigint not null,
    end_at      bigint not null,
    term        bigint not null,
    seen_at     bigint,
    chain_start bigint not null,
    owner       text   not null,
    votes       text   not null,
    hold        text   not null,
    at          bigint not null,
    ended_at    bigint,
    ended       text   not null,
    check (end_at > start_at)
);
create index grants_assignment on grants (assignment, state);
create index grants_identity on grants (identity, state);
create index grants_request on grants (request);

create table receipt (
    id         text primary key,
    assignment text    not null references assignment (id),
    at         bigint  not null,
    direct     boolean not null,
    effective  boolean not null,
    path       text    not null,
    residual   text    not null,
    answered   text    not null,
    digest     text    not null
);
create index receipt_assignment on receipt (assignment, at);

create table finding (
    id         text primary key,
    kind       text   not null,
    subject    text   not null,
    owner      text   not null,
    body       text   not null,
    opened_at  bigint not null,
    due_at     bigint not null,
    closed_at  bigint,
    resolution text   not null
);
create unique index finding_open on finding (kind, subject) where closed_at is null;

-- The proof. body is the canonical JSON; salt and body can be erased, the
-- commitment in the log stays. seq is the place in the log, given by the sequencer.
create table event (
    id         text primary key,
    at         bigint not null,
    kind       text   not null,
    request    text   not null,
    grant_id   text   not null,
    assignment text   not null,
    finding    text   not null,
    body       text   not null,
    salt       bytea  not null,
    seq        bigint unique
);
create index event_unsequenced on event (id) where seq is null;
create index event_request on event (request) where request <> '';
create index event_grant on event (grant_id) where grant_id <> '';
create index event_assignment on event (assignment) where assignment <> '';

create table tile (
    level bigint not null,
    idx   bigint not null,
    body  bytea  not null,
    primary key (level, idx)
);

create table checkpoint (
    size bigint primary key,
    root text   not null,
    note text   not null,
    at   bigint not null
);

-- +goose Down
drop table checkpoint;
drop table tile;
drop table event;
drop table finding;
drop table receipt;
drop table grants;
drop table assignment;
drop table approval;
drop table request;
