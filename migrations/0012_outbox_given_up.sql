-- Why: each scrape of `/metrics` and each look at `/v1/health` counts the
-- callbacks that were given up, and walked for it through all that was told in
-- a month.

create index outbox_given_up on outbox (id) where state = 'gave_up';
