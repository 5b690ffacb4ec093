"""Fifty texts that a model, a program or a file name could carry to steer, break or flood whatever shows them.

    @pytest.mark.parametrize(("name", "text"), HOSTILE.items(), ids=HOSTILE)

Inert means: nothing of it runs, loads, links, restyles, closes what surrounds it or moves a cursor; what was there stays
visible. `STEERING` are the characters that must never reach a terminal or a page as they are.
"""

from __future__ import annotations

CANARY = "pwned"
"""Every script in the table would set this name on `window`."""

_RUN = f"window.{CANARY}=1"
_FAR = "http://198.51.100.7"
"""Reserved for documents: nothing answers there."""

HOSTILE: dict[str, str] = {
    # Markup that runs.
    "script": f"<script>{_RUN}</script>",
    "script, upper case and slash": f"<SCRIPT/x>{_RUN}</SCRIPT >",
    "script, never closed": f"<script>{_RUN}",
    "script, split by NUL": f"<scr\x00ipt>{_RUN}</scr\x00ipt>",
    "script from afar": f'<script src="{_FAR}/x.js"></script>',
    "image with onerror": f"<img src=x onerror={_RUN}>",
    "svg with onload": f'<svg onload="{_RUN}"><animate onbegin="{_RUN}" attributeName=x dur=1s></svg>',
    "details with ontoggle": f"<details open ontoggle={_RUN}><summary>x</summary></details>",
    "focus that runs": f"<input autofocus onfocus={_RUN}>",
    "javascript link": f'<a href="java\tscript:{_RUN}">click</a>',
    "frame": f'<iframe srcdoc="&lt;script&gt;parent.{_RUN}&lt;/script&gt;"></iframe>',
    "entities": f"&lt;script&gt;{_RUN}&lt;/script&gt;&#60;img src=x onerror={_RUN}&#62;",
    "mutation": f'<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror={_RUN}&gt;">',
    # Out of an attribute.
    "double quote": f'" onmouseover="{_RUN}" autofocus onfocus="{_RUN}',
    "single quote": f"' onmouseover='{_RUN}' autofocus onfocus='{_RUN}",
    "no quote": f"x onmouseover={_RUN} autofocus onfocus={_RUN} ",
    "backtick": f"` onmouseover=`{_RUN}` x=`",
    # Out of what surrounds it.
    "closing template": f"</template><script>{_RUN}</script>",
    "closing script": f"</script><script>{_RUN}</script>",
    "closing style": f"</style><script>{_RUN}</script>",
    "closing textarea and title": f"</textarea></title><script>{_RUN}</script>",
    "closing pre, table, details": f"</pre></td></tr></table></details></main><script>{_RUN}</script>",
    "closing svg": f"</text></svg><script>{_RUN}</script>",
    "closing CDATA": f"]]><script>{_RUN}</script><![CDATA[",
    "comment that hides": "<!-- everything after this is gone",
    "comment inside script": f"<!--<script>{_RUN}",
    "doctype and body": f"<!doctype html><html><body onload={_RUN}>",
    "another policy": "<meta http-equiv=Content-Security-Policy content=\"script-src 'unsafe-inline' *\">",
    "another base": f'<base href="{_FAR}/"><link rel=stylesheet href=x.css>',
    "refresh": f'<meta http-equiv="refresh" content="0;url={_FAR}">',
    "form": f'<form action="{_FAR}"><button>continue</button></form>',
    "style": "<style>*{display:none!important}</style>",
    "style from afar": f'<p style="background:url({_FAR}/x.png)">x</p>',
    "named like the page's own": "<a id=texts><form name=documentElement><input name=body></form></a>",
    # Out of JSON, Markdown, templates and event streams.
    "JSON": '"],"x":[{"text":"\\',
    "JSON line ends": "\u2028\u2029\r\n{}\n[]",
    "prototype": '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}',
    "event stream": f"x\r\rdata: forged\nevent: forged\nid: 1\nretry: 1\n\ndata: {_RUN}\n\n",
    "Markdown": f"```\n# heading\n[x](javascript:{_RUN})\n````\n| a | b |\n***",
    "templates": "{{7*7}} ${7*7} #{7*7} <%= 7*7 %> %s %n %(x)s {0} $HOME `id`",
    # A terminal.
    "ANSI colour, screen, title": "\x1b[31mred\x1b[2J\x1b[H\x1b]0;owned\x07\x1bc",
    "ANSI link and clipboard": f"\x1b]8;;{_FAR}\x1b\\x\x1b]8;;\x1b\\\x1b]52;c;cm0gLXJm\x07",
    "ANSI as single bytes": "\x9b31m\x9d0;owned\x9c\x90q\x9c",
    "control characters": "a\rb\x08\x08c\x0bd\x0ce\x7ff\x85g" + "".join(map(chr, range(1, 9))),
    "NUL": "before\x00after",
    # Unicode.
    "bidi": "if access == '\u202e\u2066user\u2069 \u2066': # \u200fright\u061c \u2067x",
    "unseen": "a\u200bb\u200cc\u2060d\ufeffe\u00adf\u034fg\U000e0041\U000e007f",
    "lone surrogates": "\ud800 \udfff \udc80 \ude00\ud83d",
    "piled-up and wide": "Z" + "\u0300\u0316\u0489" * 60 + " \ufdfd \U0001f469\u200d\U0001f4bb \U00012031",
    # Size.
    "huge": "A" * 300_000 + "\n" * 3_000 + "<b>" * 3_000,
}  # fmt: skip

STEERING = frozenset({
    *map(chr, {*range(0x20), *range(0x7F, 0xA0)} - {0x09, 0x0A}),
    *map(chr, (0xAD, 0x061C, 0x180E, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xFEFF)),
    *map(chr, range(0xD800, 0xE000)), *map(chr, range(0xE0000, 0xE0080)),
})  # fmt: skip
"""Controls, marks of direction, what takes no room, surrogates, tags."""

assert len(HOSTILE) == 50
