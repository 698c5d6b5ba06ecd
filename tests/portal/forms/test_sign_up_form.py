"""What a party may write, and what it reads when that cannot be taken."""

import uuid
from functools import partial

import pytest
from django.utils import translation

from bookings.domain.people import Person
from bookings.domain.sign_up import Lead, Wishes
from bookings.models import Consent, person_key
from portal.forms.people import age_choices, initial_people, one_line
from portal.forms.sign_up import SignUpForm as FormAt
from portal.forms.stamp import new_stamp
from tests.factories import HOUR, NOON, both, make_season, make_session, make_tour

pytestmark = pytest.mark.django_db

KEY = uuid.UUID("0d6f3d4e-5f0b-4a55-9c1a-3a0f6b0a7f11")
STAMP = new_stamp(now=NOON - HOUR, key=KEY)
SignUpForm = partial(FormAt, now=NOON)
IN_FULL = "Write the email address in full, like name@example.com"


@pytest.fixture
def session():
    return make_session()


def answers(**given):
    """A party of two that says what must be said."""
    return {
        "size": "2",
        "lead_name": "Lin Xiaoyun",
        "lead_age": "18-",
        "email": "xiaoyun@visitors.example",
        "name_2": "Wei Jun",
        "age_2": "6-17",
        "submission_key": STAMP,
    } | given


def errors(session, **given):
    form = SignUpForm(session, [], answers(**given))
    return {field: [str(sentence).replace("\xa0", " ") for sentence in words] for field, words in form.errors.items()}


def test_a_whole_answer_becomes_what_the_domain_is_asked(session):
    session.season.choices_allowed = 3
    others = [(session.pk + 1, "next"), (session.pk + 2, "after")]
    consent = Consent.objects.create(tour=session.season.tour, position=1, text=both("We agree.", "同意。"))
    form = SignUpForm(
        session,
        others,
        answers(
            smallest_size="1",
            access_needs="A wheelchair.\r\nAnd a chair.",
            other_2=str(session.pk + 2),
            other_3=str(session.pk + 1),
            short_notice="on",
            **{f"consent_{consent.pk}": "on"},
        ),
    )
    assert form.is_valid(), form.errors
    with translation.override("zh-hans"):
        asked = form.asked()
    assert asked == {
        "choices": [session.pk, session.pk + 2, session.pk + 1],
        "lead": Lead(Person("Lin Xiaoyun", 18, None), "xiaoyun@visitors.example", "zh-hans"),
        "companions": [Person("Wei Jun", 6, 17)],
        "wishes": Wishes(
            smallest_size=1, short_notice=True, access_needs="A wheelchair.\nAnd a chair.", consents=[consent.pk]
        ),
        "submission_key": uuid.uuid5(KEY, person_key("xiaoyun@visitors.example")),
        "proves_first": False,
    }


def test_who_says_nothing_of_fewer_comes_whole_or_not_at_all(session):
    form = SignUpForm(session, [], answers())
    assert form.is_valid(), form.errors
    assert form.asked()["wishes"] == Wishes(smallest_size=2, consents=[])


def test_a_session_named_twice_is_named_once(session):
    one, two = session.pk + 1, session.pk + 2
    form = SignUpForm(session, [(one, "a"), (two, "b")], answers(other_2=str(one), other_3=str(one)))
    assert form.is_valid(), form.errors
    assert form.asked()["choices"] == [session.pk, one]


def test_a_session_that_cannot_be_named_is_refused_at_its_field():
    session = make_session()
    form = SignUpForm(session, [(session.pk + 1, "a")], answers(other_2=str(session.pk + 2)))
    assert form.errors == {"other_2": ["The session you had chosen takes no sign-ups any more. Choose another."]}


def test_a_season_that_allows_one_choice_asks_for_no_other():
    session = make_session(season=make_season(choices_allowed=1))
    assert "other_2" not in SignUpForm(session, [(7, "a")]).fields


@pytest.mark.parametrize("size", ["0", "4", "two", "-1", "2.0", "２", "١"])
def test_a_size_the_tour_does_not_take(session, size):
    assert errors(session, size=size) == {
        "size": ["A party on this tour has 1 to 3 people. Choose one of the sizes."],
    }


def test_no_size(session):
    assert errors(session, size="") == {"size": ["Choose how many people will come."]}


def test_one_fixed_size():
    session = make_session(season=make_season(tour=make_tour(smallest_party=2, largest_party=2)))
    assert errors(session, size="1") == {"size": ["A party on this tour has 2 people."]}


def test_a_four_year_old(session):
    assert errors(session, age_2="0-5") == {
        "age_2": ["Wei Jun would be under 6 on 13 February. The tour is for visitors from 6."]
    }


def test_no_adult(session):
    assert errors(session, lead_age="6-17") == {
        "lead_age": ["Lin Xiaoyun would be under 18 on 13 February. At least one adult has to come with the party."]
    }


def test_a_child_may_lead_when_an_adult_comes_along(session):
    assert errors(session, lead_age="6-17", age_2="18-") == {}


def test_an_age_that_is_not_in_the_list(session):
    assert errors(session, lead_age="200", age_2="4") == {
        "lead_age": ["Choose an age from the list."],
        "age_2": ["Choose an age from the list."],
    }


def test_somebody_is_missing(session):
    assert errors(session, name_2="", age_2="") == {
        "name_2": ["Write the full name of person 2, or choose a smaller party."],
        "age_2": ["Say how old person 2 will be on 13 February."],
    }
    assert errors(session, age_2="") == {"age_2": ["Say how old Wei Jun will be on 13 February."]}


def test_rows_beyond_the_size_are_kept_and_not_looked_at(session):
    form = SignUpForm(session, [], answers(size="1", name_2="😀", age_2="99", name_3="x" * 300, email="x"))
    assert form.errors == {"email": [IN_FULL]}
    assert (form["name_2"].value(), form["name_3"].value()) == ("😀", "x" * 300)
    alone = SignUpForm(session, [], answers(size="1", name_2="😀", age_2="99"))
    assert alone.is_valid(), alone.errors
    assert alone.asked()["companions"] == []


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("  Lin   Xiaoyun ", "Lin Xiaoyun"),
        ("Lin\r\nBcc: x@y.example", "Lin Bcc: x@y.example"),
        ("Lin\tXiao\u2028yun", "Lin Xiao yun"),
        ("\u202eLin\u202c \u2066Xiaoyun\u2069\u200f", "Lin Xiaoyun"),
        ("Li\u200bn\ufeff", "Lin"),
        ("Lin\x00 Xiao\x07yun", "Lin Xiaoyun"),
        ("Jose\u0301", "José"),
        ("欧阳娜娜", "欧阳娜娜"),
        ("محمد بن سلمان", "محمد بن سلمان"),
        ("O’Neill-Søndergård, Jr.", "O’Neill-Søndergård, Jr."),
        ("阿依古丽·买买提", "阿依古丽·买买提"),
        ("नरेन्द्र", "नरेन्द्र"),
        ("𠮷田", "𠮷田"),
        ("<b>Lin</b>", "<b>Lin</b>"),
        ("x" * 120, "x" * 120),
    ],
)
def test_a_name_is_kept_as_an_id_shows_it(session, written, kept):
    form = SignUpForm(session, [], answers(lead_name=written))
    assert form.is_valid(), form.errors
    assert form.lead.name == kept


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "Write your full name."),
        (" \u200b\x00 ", "Write your full name."),
        ("\u3164", "Write your full name."),
        ("12345", "Write the name in letters, in any script."),
        ("...", "Write the name in letters, in any script."),
        ("Lin 😀", "Write the name without emoji or symbols, as the ID shows it."),
        ("Lin 👩\u200d👧", "Write the name without emoji or symbols, as the ID shows it."),
        ("Lin 1\ufe0f\u20e3", "Write the name without emoji or symbols, as the ID shows it."),
        (
            "x" * 300,
            "This name has 300 characters, and we can take 120. Write it as short as the ID allows.",
        ),
    ],
)
def test_a_name_that_cannot_be_taken(session, written, words):
    assert errors(session, lead_name=written) == {"lead_name": [words]}


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (" Lin.Xiaoyun+Tour@Visitors.EXAMPLE ", "Lin.Xiaoyun+Tour@Visitors.EXAMPLE"),
        ("ｌｉｎ＠ｖｉｓｉｔｏｒｓ。example", "lin@visitors.example"),
        ("lin@visitors\uff0eexample\u200b", "lin@visitors.example"),
        ("lin@bücher.example", "lin@bücher.example"),
        ("lin\x00@visitors.example", "lin@visitors.example"),
    ],
)
def test_an_address_is_taken_as_phones_write_it(session, written, kept):
    form = SignUpForm(session, [], answers(email=written))
    assert form.is_valid(), form.errors
    assert form.asked()["lead"].email == kept


@pytest.mark.parametrize(
    "written",
    [
        "",
        "xiaoyun@mail",
        "xiaoyun",
        "a@b@c.example",
        "a@visitors.example\r\nBcc: b@c.example",
        "<a@b.example>",
        "a@[127.0.0.1]",
    ],
)
def test_an_address_that_is_not_whole(session, written):
    assert errors(session, email=written) == {"email": [IN_FULL]}


def test_an_address_that_is_too_long(session):
    long = f"{'a' * 60}@{'.'.join(['b' * 60] * 4)}.example"
    assert errors(session, email=long) == {"email": ["An email address has at most 254 characters. Check this one."]}


def test_a_phone_is_asked_only_where_the_season_does():
    session = make_session(season=make_season(asks_phone=True))
    assert "phone" not in SignUpForm(make_session(), []).fields
    assert errors(session, phone="") == {}
    assert errors(session, phone="call me") == {"phone": ["Write the phone number in digits, like +86 138 0000 0000."]}
    form = SignUpForm(session, [], answers(phone="＋86 138 0000 0000"))
    assert form.is_valid(), form.errors
    assert form.asked()["lead"].phone == "+86 138 0000 0000"


def test_needs_are_said_in_five_hundred_characters(session):
    assert errors(session, access_needs="\r\n".join(["x" * 249] * 2) + "\x00") == {}
    assert errors(session, access_needs="x" * 501) == {
        "access_needs": ["Say it in at most 500 characters; this has 501."]
    }


def test_a_required_consent_is_asked_for_and_another_is_not(session):
    tour = session.season.tour
    needed = Consent.objects.create(tour=tour, position=1, text=both("We wear closed shoes.", "我们穿包脚的鞋。"))
    Consent.objects.create(tour=tour, position=2, text=both("You may film us.", "可以拍我们。"), required=False)
    assert errors(session) == {f"consent_{needed.pk}": ["We need your yes to this: We wear closed shoes."]}


def test_the_trap_is_shown_empty_again(session):
    form = SignUpForm(session, [], answers(leave_empty="http://spam.example"))
    assert form.errors == {"leave_empty": ["Something was written where only programs write. Send the form again."]}
    assert "spam" not in str(form["leave_empty"])


def test_the_stamp_is_kept_when_the_form_is_shown_again(session):
    assert SignUpForm(session, [], answers(email="")).data["submission_key"] == STAMP


def test_nothing_cuts_what_is_typed(session):
    form = SignUpForm(session, [])
    assert [name for name in form.fields if "maxlength" in str(form[name])] == []


def test_ages_are_cut_where_the_rules_ask():
    def words(**rules):
        return age_choices(make_tour(**rules))

    assert words(minimum_age=6) == [("0-5", "Under 6"), ("6-17", "6 to 17"), ("18-", "18 or older")]
    assert words(minimum_age=0) == [("0-17", "Under 18"), ("18-", "18 or older")]
    assert words(minimum_age=0, adult_age=0) == [("0-", "Any age")]


def test_known_people_are_first_answers():
    assert initial_people([("Lin", 18, None), ("Wei", 6, 17)]) == {
        "lead_name": "Lin",
        "lead_age": "18-",
        "name_2": "Wei",
        "age_2": "6-17",
    }


def test_one_line_joins_lines():
    assert one_line(" a\r\n\r\nb\u2029c ") == "a b c"
