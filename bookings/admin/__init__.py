from bookings.admin import bookings, notices, parties, roster, seasons, sessions, tours

__all__ = ["bookings", "notices", "parties", "roster", "seasons", "sessions", "tours"]
