"""How often somebody may ask, where no Redis keeps count: one row for each asker, forgotten once it says nothing."""

from django.db import models
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils.translation import gettext_lazy as _


class AllowanceQuerySet(models.QuerySet["Allowance"]):
    def take(self, key: str, *, each: int, at_once: int, now: int) -> int:
        """Count one asking and return 0, or count nothing and return the milliseconds until one would count.

        ``each`` is how many milliseconds bring one back, ``now`` milliseconds since 1970. One conditional UPDATE.
        """
        latest = now + each * (at_once - 1)
        while not self.filter(key=key, whole_at__lte=latest).update(whole_at=Greatest(F("whole_at"), now) + each):
            whole_at = self.filter(key=key).values_list("whole_at", flat=True).first()
            if whole_at is not None and whole_at > latest:
                return whole_at - latest
            self.bulk_create([Allowance(key=key, whole_at=now)], ignore_conflicts=True)
        return 0

    def forget_whole(self, *, now: int) -> None:
        """A row that is whole again says what no row says."""
        self.filter(whole_at__lte=now).delete()


class Allowance(models.Model):
    """``key`` is a keyed hash: no address stands here."""

    key = models.CharField(max_length=64, primary_key=True)
    # When nothing would be missing any more, in milliseconds since 1970, as Redis is told as well.
    whole_at = models.BigIntegerField()

    objects = AllowanceQuerySet.as_manager()

    class Meta:
        verbose_name = _("allowance")
        verbose_name_plural = _("allowances")

    def __str__(self) -> str:
        return self.key
