"""Statements that are asked again and again in a rush, turned into SQL once for the process.

Django makes a statement's SQL anew each time it is asked, which costs ten times what sending it does. Here a function
says what is asked, as a queryset with ``Given`` where a value will stand; called with the values, it asks::

    @compiled
    def party_of() -> QuerySet[Party]:
        return Party.objects.filter(code=Given("code"))

    [party] = party_of(code="...")

What stands in the queryset itself is part of the SQL. Arguments by position go to the function, which is asked once for
each of them: they say how a statement looks, such as how many keys it names. Neither prefetching nor ``values`` is done
here. Decision 0020 says why this is worth code of our own.
"""

from collections.abc import Callable, Sequence
from copy import copy
from functools import wraps
from typing import Any, NamedTuple, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import Expression, Field, QuerySet, Value
from django.db.models.sql import UpdateQuery
from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.constants import ROW_COUNT
from django.db.transaction import TransactionManagementError

Row = TypeVar("Row", bound=models.Model)
Shape = tuple[object, ...]


class Given(Expression):
    """Stands for the value that is told when the statement is asked; ``at`` for one of several."""

    def __init__(self, name: str, output_field: "Field[Any, Any] | None" = None, at: int | None = None) -> None:
        super().__init__(output_field)
        self.name, self.at = name, at

    def as_sql(self, _compiler: SQLCompiler, _connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        return "%s", [self]

    def told(self, values: dict[str, Any]) -> Any:
        """As the driver of the present database takes it."""
        value = values[self.name] if self.at is None else values[self.name][self.at]
        return Value(value).as_sql(None, connection)[1][0] if value is not None else None  # type: ignore[arg-type]


def given_each(name: str, number: int) -> list[Any]:
    """One for each of so many values, told as a sequence under one name."""
    return [Given(name, at=at) for at in range(number)]


class _Made(NamedTuple):
    sql: str
    params: Sequence[Any]
    compiler: SQLCompiler
    locks: bool

    def told(self, values: dict[str, Any]) -> SQLCompiler:
        """The compiler as it is after its work, with these values."""
        params = tuple(param.told(values) if isinstance(param, Given) else param for param in self.params)
        compiler: Any = copy(self.compiler)
        compiler.connection = connection
        compiler.as_sql = lambda *_args, **_kwargs: (self.sql, params)
        return compiler  # type: ignore[no-any-return]


class _Query:
    """What a queryset asks of its query when it reads rows, and no more."""

    def __init__(self, compiler: SQLCompiler) -> None:
        self.compiler = compiler

    def get_compiler(self, **_kwargs: Any) -> SQLCompiler:
        return self.compiler


def compiled(make: Callable[..., QuerySet[Row]]) -> Callable[..., list[Row]]:
    """Rows of the queryset that ``make`` gives for a shape."""
    made: dict[tuple[str, Shape], tuple[type[Row], _Made]] = {}

    @wraps(make)
    def ask(*shape: object, **values: Any) -> list[Row]:
        key = connection.vendor, shape
        if key not in made:
            rows = make(*shape)
            try:
                made[key] = rows.model, _make(rows.query.get_compiler(connection=connection))
            except EmptyResultSet:  # It asks for one of no keys.
                return []
        model, statement = made[key]
        if statement.locks and not connection.in_atomic_block:
            raise TransactionManagementError("Rows are locked to the end of a transaction, and there is none.")
        query: Any = _Query(statement.told(values))
        return list(QuerySet(model, query=query))

    return ask


def compiled_update(make: Callable[..., tuple[QuerySet[Any], dict[str, Any]]]) -> Callable[..., int]:
    """How many rows were changed, of those and in the way that ``make`` says for a shape."""
    made: dict[tuple[str, Shape], _Made] = {}

    @wraps(make)
    def change(*shape: object, **values: Any) -> int:
        key = connection.vendor, shape
        if key not in made:
            rows, changes = make(*shape)
            query: Any = rows.query.chain(UpdateQuery)
            query.add_update_values(changes)
            made[key] = _make(query.get_compiler(connection=connection))
        compiler: Any = made[key].told(values)
        return int(compiler.execute_sql(ROW_COUNT))

    return change


def _make(compiler: SQLCompiler) -> _Made:
    sql, params = compiler.as_sql()
    return _Made(sql, params, compiler, locks=compiler.query.select_for_update)
