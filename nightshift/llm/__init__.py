"""Talking to model servers. To read it, from the top:

    connect.py      addresses -> servers -> who answers for which role -> a pool: read this first
    endpoint.py     the words: a Model, the Endpoint that serves it, and the Target, a model on a server
    routing.py      which targets each role may be sent to
    addresses.py    one spelling per server; which addresses are the user's own network
    profiles.py     what was learned of each target, kept between runs
    switches.py deadlines.py    what a user may turn off; how long each part of a request may take
    calls.py tape.py    requests and completions as JSON; a model that answers from a recorded run

    scheduling/     all servers as one ChatModel: whom to ask, when, and what to do when that fails
      pool.py         the choice and the retries
      sending.py      one request to the server chosen, in its slot
      lanes.py        slots, queues and health of each server; prefix.py: the prompts its cache holds
      forecast.py hedging.py failures.py    how long it will take; a second try beside the first; what may pass
    managed/        llama-servers of our own, started for a run
      servers.py      their life; identity.py: what a server says of itself
      flags.py        the [[server]] table and the command it stands for
      process.py keeper.py    a process that never outlives us
    client/         one request to one server
      ask.py          measured, sent, read
      tokens.py       does the prompt fit, and was all of it read
      stream.py       the reply while it grows, and the guards that cut it; watch.py: its deadlines
      learning.py     what a reply teaches of its server
    discovery/      what can be asked of a server without a generation
      probe.py        what it is and how it is
      ollama.py expiry.py drafts.py    Ollama's models; when it unloads them; what speculation did
    wire/           what is said over HTTP
      openai.py ollama.py    the two protocols, pure; common.py: what they share
      fields.py refusals.py  reading JSON that may be anything, and answers that are no reply
      http.py inquiry.py     opening a connection; one small question

Each package imports only from those below it. Nothing here knows what a reply is for.
"""
