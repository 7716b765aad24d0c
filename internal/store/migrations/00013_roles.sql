-- +goose Up
-- Who holds a role of Lessor itself by a grant: the members of the directory's
-- groups besides those whom the files name. The version grows with every change,
-- so that others see cheaply that there was one.
create table roster (
    grp      text not null,
    identity text not null,
    primary key (grp, identity)
);
create table roster_version (
    one     bigint primary key check (one = 1),
    version bigint not null
);
insert into roster_version (one, version) values (1, 0);

-- +goose Down
drop table roster_version;
drop table roster;
