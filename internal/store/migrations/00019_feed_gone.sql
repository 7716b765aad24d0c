-- +goose Up
-- A feed that tells of changes by itself asks for what it has, page by page: not for
-- what is gone. It stands in doc already; nothing but the marker can look so in there.
alter table feed_record add column gone boolean not null default false;
update feed_record set gone = true where doc like '%"gone":"%';
create index feed_record_listed on feed_record (feed, grp, gone, key);

-- +goose Down
drop index feed_record_listed;
alter table feed_record drop column gone;
