"""What the floor app and whoever measures it must both know."""

SALT = "floor"
TABLES = """
CREATE TABLE tour_session (id int PRIMARY KEY, title text, places int, parties int, max_places int, max_parties int);
CREATE TABLE party (id bigserial PRIMARY KEY, key uuid UNIQUE, session_id int REFERENCES tour_session, size int,
    lead_name text, email text, proven boolean DEFAULT false);
CREATE INDEX party_email ON party (email)
"""
