from email import message_from_bytes
from email.header import decode_header, make_header

import pytest
from django.core.mail import EmailMessage, get_connection

pytestmark = pytest.mark.any_database


def test_each_message_becomes_one_file_and_names_sort_by_time(tmp_path, settings):
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    messages = [EmailMessage(f"Visit {n} 参观", "See you", "a@example.org", ["b@example.org"]) for n in range(3)]
    assert get_connection("portal.mail.EmlBackend").send_messages(messages) == 3
    files = sorted((tmp_path / "mail").iterdir())
    assert all(file.suffix == ".eml" for file in files)
    assert [message_from_bytes(file.read_bytes())["To"] for file in files] == ["b@example.org"] * 3
    subjects = [make_header(decode_header(message_from_bytes(file.read_bytes())["Subject"])) for file in files]
    assert list(map(str, subjects)) == ["Visit 0 参观", "Visit 1 参观", "Visit 2 参观"]
