"""Statements that are put together once. For what is asked twice a second in each worker, or of each mail, the ORM took
several times as long to write the SQL as the database takes to answer it."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from django.db import connection
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.sql import UpdateQuery
from django.db.models.sql.compiler import SQLCompiler

Row = TypeVar("Row", bound=Model)


class Given(Expression):
    """A value that is handed in, by its name, each time the statement is run."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, _compiler: SQLCompiler, _connection: Any) -> Any:
        return "%s", (self,)


class _Prepared:
    def __init__(self, write: Callable[[], tuple[str, tuple[Any, ...]]]) -> None:
        """``write`` is called at the first use: there may be no database before."""
        self._write = write

    @cached_property
    def _written(self) -> tuple[str, tuple[Any, ...]]:
        return self._write()

    def filled(self, given: dict[str, Any]) -> tuple[str, list[Any]]:
        sql, places = self._written
        return sql, [_value(place, given) if isinstance(place, Given) else place for place in places]


def _value(place: Given, given: dict[str, Any]) -> Any:
    return place.output_field.get_db_prep_value(given[place.name], connection, prepared=False)


class Question(Generic[Row]):
    """The rows of a query in which what differs is ``Given``, annotations and all."""

    def __init__(self, model: type[Row], rows: Callable[[], QuerySet[Row]]) -> None:
        self._model = model
        self._prepared = _Prepared(lambda: rows().query.sql_with_params())

    def ask(self, **given: Any) -> Iterator[Row]:
        sql, values = self._prepared.filled(given)
        return iter(self._model._default_manager.raw(sql, values))


class Change:
    """An update in which what differs is ``Given``; returns how many rows it changed."""

    def __init__(self, rows: Callable[[], QuerySet[Any]], **changes: Any) -> None:
        def write() -> tuple[str, tuple[Any, ...]]:
            query = cast(UpdateQuery, rows().query.chain(UpdateQuery))
            query.add_update_values(changes)
            sql, values = query.get_compiler(connection=connection).as_sql()
            return sql, tuple(values)

        self._prepared = _Prepared(write)

    def make(self, **given: Any) -> int:
        with connection.cursor() as cursor:
            cursor.execute(*self._prepared.filled(given))
            return int(cursor.rowcount)
