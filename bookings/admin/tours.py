"""What hosts write: the house, its venues, its tours."""

from django.contrib import admin
from django.http import HttpRequest

from bookings.models import Consent, House, Tour, TourStop, Venue


@admin.register(House)
class HouseAdmin(admin.ModelAdmin):
    list_display = ["__str__", "email", "phone"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not House.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: House | None = None) -> bool:
        return False


@admin.register(Venue)
class VenueAdmin(admin.ModelAdmin):
    list_display = ["__str__", "gate", "time_zone"]


class StopInline(admin.StackedInline):
    model = TourStop
    extra = 0


class ConsentInline(admin.StackedInline):
    model = Consent
    extra = 0


@admin.register(Tour)
class TourAdmin(admin.ModelAdmin):
    list_display = ["__str__", "slug", "minimum_age", "largest_party"]
    inlines = [StopInline, ConsentInline]
