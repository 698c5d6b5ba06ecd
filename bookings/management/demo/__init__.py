"""What `seed_demo` writes: the texts, the calendar and the names of an example house, and the play of a busy season."""
