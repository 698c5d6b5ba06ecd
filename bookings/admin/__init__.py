from bookings.admin import bookings, notices, parties

__all__ = ["bookings", "notices", "parties"]
