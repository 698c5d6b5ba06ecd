"""Reports as mail servers write them, by RFC 3464 and RFC 5965, in the shape of each kind of server.

Addresses are filled in: ``to`` is where the report goes, ``lin`` the address that our mail was for.
"""

RETURNED = """\
Return-Path: <{to}>
Received: from portal by mail.works.example with ESMTPS; Mon, 18 Jan 2027 12:00:03 +0000
From: Factory visits <visits@works.example>
To: {lin}
Subject: Offered: 2 places, Sat 13 Feb, answer by 22:00
Message-ID: {message_id}
MIME-Version: 1.0
Content-Type: text/plain; charset="utf-8"
"""

POSTFIX = (
    """\
Return-Path: <>
Delivered-To: {to}
Date: Mon, 18 Jan 2027 12:00:07 +0000 (UTC)
From: MAILER-DAEMON@mail.works.example (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {to}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary="4B1C2D0F3A.1800012007/mail.works.example"
Content-Transfer-Encoding: 8bit

This is a MIME-encapsulated message.

--4B1C2D0F3A.1800012007/mail.works.example
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mail.works.example.

<{lin}>: host mx.visitors.example[192.0.2.7] said: 550 5.1.1
    <{lin}>: Recipient address rejected: User unknown (in reply to RCPT TO command)

--4B1C2D0F3A.1800012007/mail.works.example
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.works.example
X-Postfix-Queue-ID: 4B1C2D0F3A
X-Postfix-Sender: rfc822; {to}
Arrival-Date: Mon, 18 Jan 2027 12:00:03 +0000 (UTC)

Final-Recipient: rfc822; {lin}
Original-Recipient: rfc822;{lin}
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.visitors.example
Diagnostic-Code: smtp; 550 5.1.1 <{lin}>: Recipient address rejected: User unknown

--4B1C2D0F3A.1800012007/mail.works.example
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers
Content-Transfer-Encoding: 8bit

"""
    + RETURNED
    + """
--4B1C2D0F3A.1800012007/mail.works.example--
"""
)

EXIM = (
    """\
Return-path: <>
Envelope-to: {to}
Received: from Debian-exim by mx.visitors.example with local (Exim 4.96)
	id 1tYxAb-0004Qe-2k for {to}; Mon, 18 Jan 2027 12:00:09 +0000
X-Failed-Recipients: {lin}
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@mx.visitors.example>
To: {to}
References: {message_id}
Content-Type: multipart/report; report-type=delivery-status; boundary=1800012009-eximdsn-1804289383
MIME-Version: 1.0
Subject: Mail delivery failed: returning message to sender
Message-Id: <E1tYxAb-0004Qe-2k@mx.visitors.example>
Date: Mon, 18 Jan 2027 12:00:09 +0000

--1800012009-eximdsn-1804289383
Content-type: text/plain; charset=us-ascii

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {lin}
    mailbox is full: retry timeout exceeded

--1800012009-eximdsn-1804289383
Content-type: message/delivery-status

Reporting-MTA: dns; mx.visitors.example

Action: failed
Final-Recipient: rfc822;{lin}
Status: 5.2.2

--1800012009-eximdsn-1804289383
Content-type: message/rfc822

"""
    + RETURNED
    + """
Offered: 2 places.

--1800012009-eximdsn-1804289383--
"""
)

EXCHANGE = (
    """\
From: <postmaster@visitors.example>
To: <{to}>
Date: Mon, 18 Jan 2027 12:00:11 +0000
Content-Type: multipart/report; report-type=delivery-status;
	boundary="a7c5f9d0-0b1e-4c8e-9f6d-2f3a4b5c6d7e"
X-MS-Exchange-Message-Is-Ndr:
Content-Language: en-US
Message-ID: <a7c5f9d0-0b1e-4c8e-9f6d-2f3a4b5c6d7e@AM0PR01MB0001.prod.exchange.example>
In-Reply-To: {message_id}
References: {message_id}
Subject: Undeliverable: Offered: 2 places, Sat 13 Feb, answer by 22:00
Auto-Submitted: auto-replied
MIME-Version: 1.0

--a7c5f9d0-0b1e-4c8e-9f6d-2f3a4b5c6d7e
Content-Type: multipart/alternative; differences=Content-Type;
	boundary="e1f2a3b4-c5d6-4e7f-8a9b-0c1d2e3f4a5b"

--e1f2a3b4-c5d6-4e7f-8a9b-0c1d2e3f4a5b
Content-Type: text/plain; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

Your message to {lin} couldn't be delivered.=20

--e1f2a3b4-c5d6-4e7f-8a9b-0c1d2e3f4a5b
Content-Type: text/html; charset="us-ascii"

<p>Your message to {lin} couldn't be delivered.</p>

--e1f2a3b4-c5d6-4e7f-8a9b-0c1d2e3f4a5b--

--a7c5f9d0-0b1e-4c8e-9f6d-2f3a4b5c6d7e
Content-Type: message/delivery-status

Reporting-MTA: dns;AM0PR01MB0001.prod.exchange.example
Received-From-MTA: dns;mail.works.example
Arrival-Date: Mon, 18 Jan 2027 12:00:10 +0000

Original-Recipient: rfc822;{lin}
Final-Recipient: rfc822;{lin}
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient {lin} not found by SMTP address lookup

--a7c5f9d0-0b1e-4c8e-9f6d-2f3a4b5c6d7e
Content-Type: message/rfc822

"""
    + RETURNED
    + """
Offered: 2 places.

--a7c5f9d0-0b1e-4c8e-9f6d-2f3a4b5c6d7e--
"""
)

GMAIL = (
    """\
Delivered-To: {to}
Return-Path: <>
Date: Mon, 18 Jan 2027 04:00:12 -0800 (PST)
From: Mail Delivery Subsystem <mailer-daemon@bigmail.example>
To: {to}
Auto-Submitted: auto-replied
Subject: Delivery Status Notification (Failure)
References: {message_id}
In-Reply-To: {message_id}
Message-ID: <65a8f1cc.050a0220.b2b0c.5f1d.GMR@mx.bigmail.example>
X-Failed-Recipients: {lin}
MIME-Version: 1.0
Content-Type: multipart/report; boundary="000000000000b1d6c1060f2f7c1e"; report-type=delivery-status

--000000000000b1d6c1060f2f7c1e
Content-Type: multipart/related; boundary="000000000000b1ddfd060f2f7c28"

--000000000000b1ddfd060f2f7c28
Content-Type: multipart/alternative; boundary="000000000000b1de06060f2f7c29"

--000000000000b1de06060f2f7c29
Content-Type: text/plain; charset="UTF-8"

** Address not found **

Your message wasn't delivered to {lin} because the address couldn't be found.

--000000000000b1de06060f2f7c29
Content-Type: text/html; charset="UTF-8"

<b>Address not found</b>

--000000000000b1de06060f2f7c29--
--000000000000b1ddfd060f2f7c28
Content-Type: image/png; name="icon.png"
Content-Disposition: attachment; filename="icon.png"
Content-Transfer-Encoding: base64
Content-ID: <icon.png>

iVBORw0KGgo=
--000000000000b1ddfd060f2f7c28--
--000000000000b1d6c1060f2f7c1e
Content-Type: message/delivery-status

Reporting-MTA: dns; bigmail.example
Received-From-MTA: dns; visits@works.example
Arrival-Date: Mon, 18 Jan 2027 04:00:11 -0800 (PST)
X-Original-Message-ID: {message_id}

Final-Recipient: rfc822; {lin}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist.
Last-Attempt-Date: Mon, 18 Jan 2027 04:00:12 -0800 (PST)

--000000000000b1d6c1060f2f7c1e
Content-Type: message/rfc822

"""
    + RETURNED
    + """
Offered: 2 places.

--000000000000b1d6c1060f2f7c1e--
"""
)

COMPLAINT = (
    """\
From: <feedback@bigmail.example>
Date: Mon, 18 Jan 2027 15:00:00 +0000
Subject: FW: Offered: 2 places, Sat 13 Feb, answer by 22:00
To: <abuse@works.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
	boundary="part1_13d.2e68ed54_boundary"

--part1_13d.2e68ed54_boundary
Content-Type: text/plain; charset="US-ASCII"
Content-Transfer-Encoding: 7bit

This is an email abuse report for an email message received from IP 192.0.2.1.

--part1_13d.2e68ed54_boundary
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <{to}>
Original-Rcpt-To: <{lin}>
Arrival-Date: Mon, 18 Jan 2027 12:00:03 +0000
Source-IP: 192.0.2.1

--part1_13d.2e68ed54_boundary
Content-Type: message/rfc822
Content-Disposition: inline

"""
    + RETURNED
    + """
Offered: 2 places.

--part1_13d.2e68ed54_boundary--
"""
)

OUT_OF_OFFICE = """\
From: {lin}
To: {to}
Subject: Automatic reply: Offered: 2 places
Auto-Submitted: auto-replied
In-Reply-To: {message_id}
References: {message_id}
MIME-Version: 1.0
Content-Type: text/plain; charset="utf-8"

I am away until 1 February. Action: failed. Status: 5.1.1
"""

CALENDAR_REPLY = """\
From: {lin}
To: {to}
Subject: Declined: How a car is made
In-Reply-To: {message_id}
MIME-Version: 1.0
Content-Type: text/calendar; charset="utf-8"; method=REPLY

BEGIN:VCALENDAR
METHOD:REPLY
BEGIN:VEVENT
ATTENDEE;PARTSTAT=DECLINED:mailto:{lin}
END:VEVENT
END:VCALENDAR
"""

NOT_ARRIVED = {"Postfix": POSTFIX, "Exim": EXIM, "Exchange": EXCHANGE, "Gmail": GMAIL}
STATUSES = {"Postfix": "5.1.1", "Exim": "5.2.2", "Exchange": "5.1.10", "Gmail": "5.1.1"}
