"""Words that hosts write: text with names in braces, for which plain strings are put in.

A name is looked up in a fixed list and nowhere else: there are no attributes, no calls, no formats, no tags to abuse.
What is put in is not read again, and what stands in HTML is escaped like any other text.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bookings.models import MailText, Notice, NoticeKind

# A brace written twice is a brace; anything else in braces has to be a name.
IN_BRACES = re.compile(r"\{\{|\}\}|\{([^{}\n]*)\}|[{}]")
# Chinese writes no space after a full stop; so here, and here alone, a name needs an ending that there is, at the
# beginning of what follows (https://data.iana.org/TLD/tlds-alpha-by-domain.txt).
HAN = r"\u3005\u3400-\u9fff\U00020000-\U0003ffff"
HAN_ENDINGS = """
    中国|中國|中信|中文网|世界|书籍|亚马逊|企业|佛山|信息|健康|八卦|公司|公益|台湾|台灣|商城|商店|商标|嘉里|在线|大众汽车|大拿
    |天主教|娱乐|家電|工行|广东|微博|慈善|我爱你|手机|手表|招聘|政务|政府|新加坡|新闻|时尚|書籍|机构|淡马锡|游戏|澳门|澳門|点看
    |珠宝|移动|组织机构|网址|网店|网站|网络|联通|诺基亚|谷歌|购物|通販|集团|電訊盈科|飞利浦|食品|餐厅|香格里拉|香港
"""
# Mail programs make links of addresses without a scheme as well. Last comes a name in letters of any script, but no
# number of a list ("1." or "一."), and no sentence after a full stop, which is longer than an ending can be.
LINK = re.compile(
    rf"""[a-z][a-z0-9+.-]*://\S* | \bwww\.\S+ | \b(?:mailto|javascript|data):\S+
    | (?<![^\W_])[^\W_][\w-]*(?:\.[\w-]+)*\.[a-z]{{2,}}\b
    | \b\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?:/|:\d)\S*
    | (?<![^\W_])(?![\d一二三四五六七八九十]+\.)[^\W_][\w-]*\w\.(?!(?!{HAN_ENDINGS})[{HAN}])[^\W\d_]{{2,6}}\b""",
    re.IGNORECASE | re.VERBOSE,
)
# Names of hosts are read with this as a dot; between words of another script it ends a sentence.
FULL_STOP_AS_DOT = re.compile(r"(?<=[a-z0-9])。(?=[a-z])", re.IGNORECASE)
UNSEEN = {"Cc", "Cf"}
# What makes one picture, a family say, of several.
PICTURE = r"\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
JOINS_PICTURES = re.compile(rf"(?<=[{PICTURE}\ufe0f])\u200d(?=[{PICTURE}])")


class Placeholder(NamedTuple):
    """What a name in braces stands for, and what it may look like."""

    means: str | Promise
    sample: str | Promise


class BrokenText(ValueError):
    """Something in braces that stands for nothing."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


OF_EVERY_MAIL = {
    "house": Placeholder(gettext_lazy("your name as host"), gettext_lazy("Northgate Car Works")),
    "tour": Placeholder(gettext_lazy("the tour"), gettext_lazy("How a car is made")),
    "names": Placeholder(
        gettext_lazy("the names of the party; of one that has not pressed yet, the lead alone"),
        gettext_lazy("Lin Xiaoyun, Wei Jun"),
    ),
    "people": Placeholder(gettext_lazy("how many people the party is"), "2"),
    "code": Placeholder(gettext_lazy("the party’s reference"), "7KQM-3F9T"),
}
OF_A_SESSION = {
    "places": Placeholder(gettext_lazy("the number of places"), "2"),
    "day": Placeholder(gettext_lazy("the day"), gettext_lazy("Saturday 13 February")),
    "short_day": Placeholder(gettext_lazy("the day, in short"), gettext_lazy("Sat 13 Feb")),
    "full_day": Placeholder(gettext_lazy("the day with its year"), gettext_lazy("Saturday 13 February 2027")),
    "time": Placeholder(gettext_lazy("when the session starts"), "09:30"),
    "until": Placeholder(gettext_lazy("when the session ends"), "11:30"),
    "be_there": Placeholder(gettext_lazy("when the party should be there"), "09:15"),
    "zone": Placeholder(gettext_lazy("the time zone of the venue"), gettext_lazy("Beijing time")),
    "gate": Placeholder(gettext_lazy("the gate"), gettext_lazy("Gate 3")),
    "venue": Placeholder(gettext_lazy("the venue"), gettext_lazy("Northgate Works")),
    "address": Placeholder(gettext_lazy("its address"), gettext_lazy("18 Foundry Road")),
}
OF_AN_OFFER = {
    "deadline": Placeholder(gettext_lazy("until when the places are kept"), gettext_lazy("20:30 today")),
    "left": Placeholder(gettext_lazy("how long that is from now"), gettext_lazy("30 minutes")),
}
OF_A_SWAP = {
    "before": Placeholder(gettext_lazy("the session before"), gettext_lazy("Friday 12 February 2027, 09:30")),
}
# Whole sentences; they have no room in a subject.
SENTENCES = {
    "our_words": Placeholder(
        gettext_lazy("the words this mail has without yours, to add something before or after them"),
        gettext_lazy("(the usual words of this mail)"),
    ),
    "standing": Placeholder(
        gettext_lazy("what the party has now, a line for each session; nothing where it has nothing"),
        gettext_lazy("– Saturday 13 February 2027, 09:30: in line with number 4."),
    ),
}
TO_DO = {
    "to_do": Placeholder(
        gettext_lazy("what the party has to do, and by when; nothing where there is nothing to do"),
        gettext_lazy("One press on your page puts you in line."),
    )
}
REASON = {
    "reason": Placeholder(
        gettext_lazy("the reason that a host gave, as a sentence; nothing where there is none"),
        gettext_lazy("The reason: the hall is being rebuilt."),
    )
}
SENTENCE_NAMES = frozenset({*SENTENCES, *TO_DO, *REASON})

# Mails about all that a party has, not about one session.
OF_NO_ONE_SESSION = frozenset({NoticeKind.IN_LINE, NoticeKind.ALREADY_IN, NoticeKind.LINK})
ALSO = {
    NoticeKind.PROVE: OF_AN_OFFER,
    NoticeKind.OFFER: OF_AN_OFFER,
    NoticeKind.SWAPPED: OF_A_SWAP,
    NoticeKind.CALLED_OFF: REASON,
    NoticeKind.CANCELLED: REASON,
    NoticeKind.IN_LINE: TO_DO,
    NoticeKind.ALREADY_IN: TO_DO,
    NoticeKind.LINK: TO_DO,
}
# What the words of a mail must not leave out; our own words have it all.
MUST_SAY = {
    NoticeKind.PROVE: ["deadline"],
    NoticeKind.OFFER: ["deadline"],
    NoticeKind.IN_LINE: ["standing", "to_do"],
    NoticeKind.ALREADY_IN: ["standing", "to_do"],
    NoticeKind.LINK: ["standing", "to_do"],
    NoticeKind.CALLED_OFF: ["reason"],
    NoticeKind.CANCELLED: ["reason"],
    NoticeKind.SWAPPED: ["before"],
    # It tells of another day, another end, other people or other names: no one text fits all.
    NoticeKind.CHANGED: ["our_words"],
}


def placeholders_of(kind: str) -> dict[str, Placeholder]:
    """The names that a text of this kind may use: those that have a value in every such mail."""
    of_session = {} if kind in OF_NO_ONE_SESSION else OF_A_SESSION
    return {**OF_EVERY_MAIL, **of_session, **ALSO.get(NoticeKind(kind), {}), **SENTENCES}


def text_in_use(notice: Notice) -> MailText | None:
    """What the hosts of the season wrote for this mail in the language of the party."""
    season, of_mail = notice.party.season, (notice.kind, notice.party.language)
    in_use = (text for text in season.mail_texts.all() if text.in_use)
    return next((text for text in in_use if (text.kind, text.language) == of_mail), None)


def fill(text: str, values: Mapping[str, Callable[[], str]]) -> str:
    """Put in what each name stands for; only what is named is asked for. Raises BrokenText."""

    def put_in(found: re.Match[str]) -> str:
        match found[0]:
            case "{{":
                return "{"
            case "}}":
                return "}"
        if found[1] not in values:
            raise BrokenText(found[0])
        return values[found[1]]()

    return IN_BRACES.sub(put_in, text)


def filled_with_samples(text: str, kind: str) -> str:
    return fill(text, {name: partial(str, one.sample) for name, one in placeholders_of(kind).items()})


def faults_of_subject(subject: str, kind: str) -> list[str]:
    """What keeps this from being a subject; an empty one is none."""
    told = _faults(subject, kind)
    if len(subject.splitlines()) > 1:
        told.append(_("A subject is one line."))
    for name in sorted(SENTENCE_NAMES & _names_in(subject)):
        told.append(_("“{%(name)s}” is whole sentences: it has no room in a subject.") % {"name": name})
    return told


def faults_of_words(words: str, kind: str) -> list[str]:
    """What keeps these from being the words of the mail; empty ones are none."""
    told, names = _faults(words, kind), _names_in(words)
    if words and "our_words" not in names:
        for name in MUST_SAY.get(NoticeKind(kind), []):
            if name not in names:
                told.append(_missing(name))
    return told


def _missing(name: str) -> str:
    if name == "our_words":
        return _("This mail has to have {our_words}: it tells of several kinds of changes.")
    return _("This mail has to have {%(name)s}, or {our_words}.") % {"name": name}


def _faults(text: str, kind: str) -> list[str]:
    told = []
    allowed = placeholders_of(kind)
    for found in IN_BRACES.finditer(text):
        if found[1] is not None and found[1] not in allowed:
            told.append(_("“%(found)s” is no placeholder of this mail.") % {"found": found[0]})
        elif found[0] in {"{", "}"}:
            told.append(_("A brace stands alone. Write it twice to show one: {{ or }}."))
    if link := _link_in(text):
        told.append(
            _("“%(found)s” looks like a link. The mail has its one link already, to the party’s page.")
            % {"found": link}
        )
    if any(unicodedata.category(char) in UNSEEN for char in JOINS_PICTURES.sub("", text) if not char.isspace()):
        told.append(_("The text has signs in it that cannot be seen. Type it anew."))
    return told


def _link_in(text: str) -> str | None:
    """What a mail program might make a link of. What is put in may end where a link goes on, and may be nothing."""
    for reading in (_read(text, name="x"), _read(text, name=""), IN_BRACES.sub("", text)):
        same = FULL_STOP_AS_DOT.sub(".", unicodedata.normalize("NFKC", reading))
        if link := LINK.search(same):
            return link[0]
    return None


def _read(text: str, *, name: str) -> str:
    """With this for each name in braces, and braces as they will stand."""
    return IN_BRACES.sub(lambda found: found[0][0] if found[1] is None else name, text)


def _names_in(text: str) -> set[str]:
    return {found[1] for found in IN_BRACES.finditer(text) if found[1] is not None}
