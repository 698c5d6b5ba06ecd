"""Every address of the portal. Those of pages carry their language; what machines ask for does not."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import path

from portal.views import (
    choices,
    errors,
    feeds,
    health,
    language,
    mail_reports,
    pages,
    proof,
    send_link,
    sessions,
    sign_up,
    still_coming,
    stop_mail,
    swaps,
    tours,
    visit,
)

handler400 = errors.bad_request
handler403 = errors.not_allowed
handler404 = errors.not_found
handler500 = errors.server_error

urlpatterns = [
    path("", language.to_own_language, name="root"),
    path("favicon.ico", pages.icon, name="icon"),
    path("healthz", health.health, name="health"),
    path("healthz/clock", health.clock, name="health_clock"),
    path("mail/reports", mail_reports.mail_reports, name="mail_reports"),
    path("proof/<str:stamp>", proof.proof, name="proof"),
    path("healthz/mail", health.mail, name="health_mail"),
    *i18n_patterns(
        path("", sessions.home, name="home"),
        path("seasons/<int:pk>/calendar.ics", feeds.season_calendar, name="season_calendar"),
        path("sessions/<int:pk>/", sessions.session, name="session"),
        path("sessions/<int:session_pk>/sign-up/", sign_up.sign_up, name="sign_up"),
        path("sessions/<int:session_pk>/asked/", sign_up.asked, name="asked"),
        path("sessions/<int:session_pk>/asked/first/", sign_up.asked, {"proves_first": True}, name="asked_first"),
        path("link/", send_link.send_link, name="send_link"),
        path("link/asked/", send_link.send_link_asked, name="send_link_asked"),
        path("mail/stop/<slug:code>/<slug:token>/", stop_mail.stop_mail, name="stop_mail"),
        path("tours/<slug:slug>/", tours.tour, name="tour"),
        path("visit/<slug:code>/", visit.visit, name="visit"),
        path("visit/<slug:code>/prove/", visit.prove, name="visit_prove"),
        path("visit/<slug:code>/accept/", visit.accept, name="visit_accept"),
        path("visit/<slug:code>/wait/", visit.wait, name="visit_wait"),
        path("visit/<slug:code>/decline/", visit.decline, name="visit_decline"),
        path("visit/<slug:code>/leave/", visit.leave, name="visit_leave"),
        path("visit/<slug:code>/cancel/", visit.cancel, name="visit_cancel"),
        path("visit/<slug:code>/fewer/", visit.fewer, name="visit_fewer"),
        path("visit/<slug:code>/still-coming/", still_coming.still_coming, name="visit_still_coming"),
        path("visit/<slug:code>/people/", visit.people, name="visit_people"),
        path("visit/<slug:code>/sessions/", choices.sessions, name="visit_sessions"),
        path("visit/<slug:code>/sessions/<int:pk>/join/", choices.join, name="visit_join"),
        path("visit/<slug:code>/sessions/<int:pk>/take/", choices.take, name="visit_take"),
        path("visit/<slug:code>/sessions/drop/", choices.drop, name="visit_drop"),
        path("visit/<slug:code>/sessions/none/", choices.no_other_date, name="visit_no_other_date"),
        path("visit/<slug:code>/sessions/order/", choices.order, name="visit_order"),
        path("visit/<slug:code>/sessions/wishes/", choices.wishes, name="visit_wishes"),
        path("visit/<slug:code>/swap/", swaps.swap, name="visit_swap"),
        path("visit/<slug:code>/swap/withdraw/", swaps.withdraw, name="visit_swap_withdraw"),
        path("visit/<slug:code>/swap/<int:wish_pk>/", swaps.say_yes, name="visit_swap_yes"),
        path("visit/<slug:code>/calendar.ics", visit.calendar, name="visit_calendar"),
        path("visit/<slug:code>/<slug:token>/", visit.visit_link, name="visit_link"),
        path("privacy/", pages.privacy, name="privacy"),
        path("admin/", admin.site.urls),
    ),
]
