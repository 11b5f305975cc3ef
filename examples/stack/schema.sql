create table if not exists done (
  job text not null,
  worker text not null,
  at timestamptz not null default now()
);
