"""A session as one file, to be carried to another machine and opened, resumed and replayed there.

The file is a zip: `manifest.json` says what it is and lists every other member with its size and SHA-256,
`records/<table>.jsonl` holds the session's rows as they are in the tables, `blobs/<sha256>` the content that they refer
to. The same session gives the same bytes.
"""
