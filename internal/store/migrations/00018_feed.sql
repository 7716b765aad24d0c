-- +goose Up
-- What feeds say of people, each under the key that its feed gives to no other. What
-- is gone stays, marked so: its names never come to mean somebody else unnoticed.
-- The columns beside doc are what it is found by.
create table feed_record (
    feed       text    not null,
    key        text    not null,
    grp        boolean not null,
    here       boolean not null,
    identity   text    not null,
    manager    text    not null,
    held       text    not null,
    doubted_at bigint,
    left_at    bigint,
    doc        text    not null,
    primary key (feed, key)
);
create index feed_record_identity on feed_record (identity) where identity <> '';
create index feed_record_manager on feed_record (feed, manager) where manager <> '';
create index feed_record_held on feed_record (feed, key) where held <> '';
create index feed_record_doubted on feed_record (feed, key) where doubted_at is not null;
create index feed_record_left on feed_record (feed, left_at) where left_at is not null;
create index feed_record_here on feed_record (feed) where here and not grp;
-- Every name a record has ever had.
create table feed_mark (
    mark text not null,
    feed text not null,
    key  text not null,
    primary key (mark, feed, key)
);
-- Who is in which of a feed's groups now.
create table feed_member (
    feed   text not null,
    grp    text not null,
    member text not null,
    primary key (feed, grp, member)
);

-- +goose Down
drop table feed_member;
drop table feed_mark;
drop table feed_record;
