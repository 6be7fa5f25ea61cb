"""The timeline: every event of a run, paged from the database, however many there are."""
