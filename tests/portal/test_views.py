def test_the_bare_address_leads_to_the_browsers_language(client):
    for asked, target in (("zh-CN,zh;q=0.9", "/zh-hans/"), ("en-GB", "/en/"), ("fr", "/en/")):
        response = client.get("/", headers={"accept-language": asked})
        assert (response.status_code, response["Location"]) == (302, target)


def test_every_page_forbids_what_is_not_ours(client):
    policy = client.get("/")["Content-Security-Policy"]
    assert set(policy.split("; ")) == {
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    }
