"""Rows of another table as one value of a row: a list of objects, so that what belongs together is read in one go."""

from typing import Any

from django.db.models import JSONField, Subquery
from django.db.models.sql.compiler import SQLCompiler


class Listed(Subquery):
    """What the ``values`` of a queryset give, as a list of dictionaries, in no order; None where there is no row."""

    output_field = JSONField()

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **_extra: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="(SELECT jsonb_agg(to_jsonb(listed)) FROM (%(subquery)s) listed)"
        )

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **_extra: Any) -> Any:
        named = ", ".join(f"'{name}', listed.\"{name}\"" for name in self.query.values_select)
        template = "(SELECT json_group_array(json_object(%(named)s)) FROM (%(subquery)s) listed)"
        return self.as_sql(compiler, connection, template=template, named=named)
