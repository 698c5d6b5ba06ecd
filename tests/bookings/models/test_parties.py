"""Who is known again, and what makes a link and a code."""

import pytest
from django.test import override_settings

from bookings.models import Party, person_key
from bookings.models.parties import CODE_ALPHABET, CODE_LENGTH, new_code
from tests.factories import make_party


@pytest.mark.parametrize(
    ("address", "same"),
    [
        pytest.param("LIN@Example.COM", "lin@example.com", id="case"),
        pytest.param("  lin@example.com\n", "lin@example.com", id="space around"),
        pytest.param("lin+factory@example.com", "lin@example.com", id="a tag"),
        pytest.param("lin+a+b@example.com", "lin@example.com", id="two tags"),
        pytest.param('"lin"@example.com', "lin@example.com", id="quotes"),
        pytest.param('"l\\i\\n+tag"@example.com', "lin@example.com", id="quotes and a tag, letter by letter"),
        pytest.param("ｌｉｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "lin@example.com", id="full width: NFKC"),
        pytest.param("ﬁona@example.com", "fiona@example.com", id="a ligature: NFKC"),
        pytest.param("cafe\u0301@example.com", "café@example.com", id="composed and not"),
        pytest.param("lin@bücher.example", "lin@xn--bcher-kva.example", id="IDNA"),
        pytest.param("lin@BÜCHER.example", "lin@bücher.example", id="IDNA and case"),
        pytest.param("林@例子.example", "林@xn--fsqu00a.example", id="Chinese"),
    ],
)
def test_the_same_person_has_the_same_key(address, same):
    assert person_key(address) == person_key(same)


@pytest.mark.parametrize(
    ("address", "other"),
    [
        pytest.param("li.n@example.com", "lin@example.com", id="dots are the owner's business"),
        pytest.param("lin@example.org", "lin@example.com", id="another domain"),
        pytest.param("lin-a@example.com", "lin@example.com", id="a dash is no tag"),
        pytest.param('"lin wei"@example.com', "linwei@example.com", id="a space in quotes"),
        pytest.param("+lin@example.com", "+wei@example.com", id="a name that begins with plus"),
        pytest.param("lin@a+b.example", "lin@a.example", id="a plus in the domain"),
    ],
)
def test_another_person_has_another_key(address, other):
    assert person_key(address) != person_key(other)


@pytest.mark.parametrize("address", ["", "lin", "@", "lin@", "lin@..", f"lin@{'x' * 300}.example", "lin@\u0000"])
def test_what_is_no_address_has_a_key_as_well_and_breaks_nothing(address):
    assert len(person_key(address)) == 64


def test_the_key_needs_its_own_secret_and_tells_nothing_of_the_address():
    key = person_key("lin@example.com")

    with override_settings(SECRET_KEY="another one of fifty characters or more, as it must be"):
        assert person_key("lin@example.com") == key
    with override_settings(PERSON_KEY="another"):
        assert person_key("lin@example.com") != key


@pytest.mark.django_db
def test_a_link_opens_its_own_party_only_until_its_version_is_raised():
    party, other = make_party(), make_party()
    token = party.link_token

    assert party.link_token_is(token)
    assert not other.link_token_is(token)
    assert not party.link_token_is("")
    assert not party.link_token_is(token[:-1])
    assert not party.link_token_is(f"{token}0")
    assert not party.link_token_is("口令")

    party.link_version += 1
    assert not party.link_token_is(token)
    assert party.link_token_is(party.link_token)


@pytest.mark.django_db
def test_nothing_of_the_link_is_stored():
    party = make_party()

    token = party.link_token

    assert token not in str(Party.objects.filter(pk=party.pk).values().get())
    with override_settings(SECRET_KEY="another one of fifty characters or more, as it must be"):
        assert not Party.objects.get().link_token_is(token)


def test_a_code_is_random_spells_no_word_and_has_no_zero_nor_one():
    codes = {new_code() for _code in range(1000)}

    assert len(codes) == 1000
    assert {len(code) for code in codes} == {CODE_LENGTH}
    assert set("".join(codes)) <= set(CODE_ALPHABET)
    assert not set(CODE_ALPHABET) & set("AEIOU01LS")


@pytest.mark.django_db
def test_a_code_is_read_in_two_halves():
    assert make_party(code="K7QM2XPD").code_in_words == "K7QM-2XPD"
