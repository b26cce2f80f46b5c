-- Why: a page of the history must cost the same anywhere in a log of ten
-- million events, by number as well as by time (docs/adr/0015). A page by number
-- walks an index that ends in `shown_as`, a page within a range of time one that
-- ends in `at, shown_as`; neither sorts. Each index costs a write of some bytes
-- per event beside the sync of the commit, which costs a thousand times more.
--
-- The indexes by number stand in 0001; none of them has become useless.

create index events_by_time on events (at, shown_as);
create index events_by_lock_and_time on events (nuki_id, at, shown_as);
create index events_by_user_and_time on events (auth_id, at, shown_as) where auth_id is not null;
create index events_by_code_and_time on events (code_id, at, shown_as) where code_id is not null;
create index events_refused_by_time on events (at, shown_as) where refused = 1;
