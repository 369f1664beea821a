-- The tables of a cache. Its indexes are made when it has been filled (builder.rs).

CREATE TABLE records (
    offset   INTEGER PRIMARY KEY,
    identity BLOB NOT NULL,
    path     INTEGER NOT NULL,
    content  INTEGER,
    grp      INTEGER NOT NULL,
    class    INTEGER NOT NULL,
    amount   INTEGER NOT NULL,
    sum      INTEGER NOT NULL,
    record   BLOB NOT NULL
) STRICT;

CREATE TABLE tallies (
    grp     INTEGER NOT NULL,
    class   INTEGER NOT NULL,
    records INTEGER NOT NULL,
    amount  INTEGER NOT NULL,
    PRIMARY KEY (grp, class)
) STRICT, WITHOUT ROWID;

-- One row. The sums are over the entries of the indexes and the rows of `tallies`, in whatever order.
CREATE TABLE state (
    origin       TEXT NOT NULL,
    form         TEXT NOT NULL,
    position     INTEGER NOT NULL,
    note         BLOB NOT NULL,
    records      INTEGER NOT NULL,
    identity_sum INTEGER NOT NULL,
    path_sum     INTEGER NOT NULL,
    content_sum  INTEGER NOT NULL,
    class_sum    INTEGER NOT NULL,
    tallies_sum  INTEGER NOT NULL,
    sum          INTEGER NOT NULL
) STRICT;
