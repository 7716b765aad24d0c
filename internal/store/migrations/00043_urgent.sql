-- +goose Up
-- The last version of the roster of which nobody may go by an older one: somebody has
-- left, is suspended, or answers for something no more. It is apart from that version
-- itself, which a feed's every word moves and nobody who acts has to wait for.
create table roster_urgent (
    one     bigint primary key check (one = 1),
    version bigint not null
);
insert into roster_urgent (one, version) values (1, 0);

-- +goose Down
drop table roster_urgent;
