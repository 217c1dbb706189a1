"""Rules that tell somebody: what is measured, when it is a breach, whom it is told, and what is kept of it.

    rules (TOML) ──> measure (one SQL a rule) ──> judge ──> state (fsync) ──> table `alerts`, outbox ──> channels

A process of its own, started where there are rules. It never touches what is received; its windows end a little before
now, and not before what was received until then is in the tables, so that a late row makes no alert.
"""
