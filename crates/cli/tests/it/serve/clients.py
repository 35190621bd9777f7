"""The official clients of three services, unchanged, against `weighbridge serve`.

Arguments: URL of a service without keys, URL of one with keys and a rate, one of its keys. A failed assertion names what failed.
"""

import json
import sys

import anthropic
import ollama
import openai

open_url, keyed_url, key = sys.argv[1:4]
TURN = [{"role": "user", "content": "web1 is"}]
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def fails(kind, call, status=None, holds=""):
    try:
        call()
    except kind as error:
        assert status is None or error.status_code == status, error
        assert holds in str(error), error
        return error
    raise AssertionError(f"no {kind.__name__}")


def openai_client():
    client = openai.OpenAI(base_url=f"{open_url}/v1", api_key="none", max_retries=0)

    def chat(model="tiny", **more):
        return client.chat.completions.create(**{"model": model, "messages": TURN, "max_tokens": 12, **more})

    names = [model.id for model in client.models.list()]
    assert names == ["tiny", "network", "scripted", "far", "busy", "dead"], names
    assert client.models.retrieve("tiny").id == "tiny"

    answer = chat(temperature=0)
    assert answer.choices[0].message.content and answer.choices[0].finish_reason == "length", answer
    assert answer.usage.completion_tokens == 12 and answer.usage.total_tokens > 12, answer.usage
    chunks = list(chat(temperature=0, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == answer.choices[0].message.content, text
    assert chunks[-1].usage.completion_tokens == 12 and chunks[-2].choices[0].finish_reason == "length", chunks[-2:]

    two = chat(n=2, seed=1)
    assert [choice.index for choice in two.choices] == [0, 1] and two.usage.completion_tokens == 24, two
    assert two.choices[0].message.content != two.choices[1].message.content, two
    again = chat(n=2, seed=1)
    assert [choice.message.content for choice in again.choices] == [choice.message.content for choice in two.choices]
    assert chat(seed=2).choices[0].message.content != two.choices[0].message.content
    seen = {chunk.choices[0].index for chunk in chat(n=2, seed=1, stream=True)}
    assert seen == {0, 1}, seen

    first = answer.choices[0].message.content
    stopped = chat(temperature=0, stop=[first[4:7]]).choices[0]
    assert stopped.finish_reason == "stop" and stopped.message.content == first[: first.index(first[4:7])], stopped

    logprobs = chat(seed=1, logprobs=True).choices[0].logprobs.content
    assert len(logprobs) == 12 and all(token.logprob <= 0 for token in logprobs), logprobs
    text = client.completions.create(model="tiny", prompt="web1 is", max_tokens=6, logprobs=1, temperature=0).choices[0]
    assert text.text and len(text.logprobs.token_logprobs) == 6, text

    schema = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    for seed in range(3):
        held = chat(seed=seed, max_tokens=200, response_format=schema).choices[0]
        person = json.loads(held.message.content)
        assert held.finish_reason == "stop" and set(person) == {"name", "age"} and 0 <= person["age"] <= 99, held

    for model in ["scripted", "far"]:
        assert len(list(chat(model, stream=True))) >= 12
        assert chat(model).usage.completion_tokens == 12

    for stream in [False, True]:
        fails(openai.NotFoundError, lambda: chat("nobody", stream=stream), 404, "nobody")
        fails(openai.RateLimitError, lambda: chat("busy", stream=stream), 429)
        # 502, and 503 once the server leaves it alone.
        fails(openai.InternalServerError, lambda: chat("dead", stream=stream), None, "dead")
        long = [{"role": "user", "content": "web1 " * 6000}]
        overflow = fails(openai.BadRequestError, lambda: chat(messages=long, stream=stream), 400)
        assert overflow.code == "context_length_exceeded", overflow.code
    fails(openai.NotFoundError, lambda: client.models.retrieve("nobody"), 404)
    fails(openai.BadRequestError, lambda: chat(temperature=-3), 400, "temperature")
    fails(openai.BadRequestError, lambda: chat("network"), 400, "/api/v1/classify")
    for model in ["tiny", "network"]:
        fails(openai.BadRequestError, lambda: client.embeddings.create(model=model, input="text"), 400, "embed")


def anthropic_client():
    client = anthropic.Anthropic(base_url=open_url, api_key="none", max_retries=0)

    def message(model="tiny", **more):
        return client.messages.create(model=model, max_tokens=8, messages=TURN, **more)

    answer = message(system="Say how it is.")
    assert answer.role == "assistant" and answer.content[0].type == "text" and answer.content[0].text, answer
    assert answer.stop_reason == "max_tokens" and answer.usage.output_tokens == 8, answer
    with client.messages.stream(model="tiny", max_tokens=8, messages=TURN) as stream:
        text = "".join(stream.text_stream)
        whole = stream.get_final_message()
    assert text and text == whole.content[0].text and whole.usage.output_tokens == 8, whole
    assert whole.stop_reason == "max_tokens", whole
    kinds = [event.type for event in message(stream=True)]
    assert kinds[:2] == ["message_start", "content_block_start"] and kinds[-1] == "message_stop", kinds
    fails(anthropic.NotFoundError, lambda: message("nobody"), 404, "nobody")
    fails(anthropic.RateLimitError, lambda: message("busy"), 429)
    fails(anthropic.RateLimitError, lambda: list(message("busy", stream=True)), 429)
    fails(anthropic.InternalServerError, lambda: message("dead"), None, "dead")
    fails(anthropic.BadRequestError, lambda: client.messages.create(model="tiny", max_tokens=8, messages=[]), 400)


def ollama_client():
    client = ollama.Client(host=open_url)
    few = {"num_predict": 8, "seed": 1}
    answer = client.generate(model="tiny", prompt="web1 is", options=few)
    assert answer.done and answer.done_reason == "length" and answer.response and answer.eval_count == 8, answer
    # Users divide by it.
    assert 0 < answer.eval_duration <= answer.total_duration and answer.prompt_eval_count > 0, answer
    parts = list(client.generate(model="tiny", prompt="web1 is", options=few, stream=True))
    assert "".join(part.response for part in parts) == answer.response and parts[-1].done, parts
    assert parts[-1].eval_count == 8 and not any(part.done for part in parts[:-1]), parts
    answer = client.chat(model="tiny", messages=TURN, options=few)
    assert answer.message.role == "assistant" and answer.message.content, answer
    parts = list(client.chat(model="tiny", messages=TURN, options=few, stream=True))
    assert "".join(part.message.content for part in parts) == answer.message.content, parts
    held = client.chat(model="tiny", messages=TURN, format=PERSON, options={"num_predict": 200, "seed": 1})
    assert set(json.loads(held.message.content)) == {"name", "age"}, held
    free = client.generate(model="tiny", prompt="web1 is", format="json", options={"num_predict": 400, "seed": 1})
    if free.done_reason == "stop":
        json.loads(free.response)
    assert free.response.lstrip()[0] in '{["0123456789tfn-', free
    listed = {model.model: model for model in client.list().models}
    assert set(listed) >= {"tiny", "network"} and listed["tiny"].size > 1_000_000, listed
    running = [model.model for model in client.ps().models]
    assert "tiny" in running and "dead" not in running, running
    fails(ollama.ResponseError, lambda: client.generate(model="nobody", prompt="x"), 404, "nobody")
    fails(ollama.ResponseError, lambda: client.chat(model="busy", messages=TURN), 429)
    fails(ollama.ResponseError, lambda: list(client.chat(model="busy", messages=TURN, stream=True)), 429)
    # A route that is not served is refused in words, not as an object.
    unknown = fails(ollama.ResponseError, lambda: client.embed(model="tiny", input="x"), 404)
    assert unknown.error.startswith("no such route"), unknown.error


def keys():
    def client(own):
        return openai.OpenAI(base_url=f"{keyed_url}/v1", api_key=own, max_retries=0)

    wrong = fails(openai.AuthenticationError, lambda: client("sk-wrong-wrong-wrong").models.list(), 401)
    assert "sk-wrong" not in str(wrong), wrong
    other = anthropic.Anthropic(base_url=keyed_url, api_key="sk-wrong-wrong-wrong", max_retries=0)
    create = lambda: other.messages.create(model="scripted", max_tokens=4, messages=TURN)
    fails(anthropic.AuthenticationError, create, 401)
    good = client(key)
    assert [model.id for model in good.models.list()] == ["scripted"]

    def many():
        for _ in range(200):
            good.chat.completions.create(model="scripted", messages=TURN, max_tokens=1)

    refused = fails(openai.RateLimitError, many, 429)
    assert int(refused.response.headers["retry-after"]) >= 1 and key not in str(refused), refused
    # With its own retries the client waits as it is told, and gets through.
    patient = openai.OpenAI(base_url=f"{keyed_url}/v1", api_key=key, max_retries=5)
    assert patient.chat.completions.create(model="scripted", messages=TURN, max_tokens=2).usage.completion_tokens == 2


openai_client()
anthropic_client()
ollama_client()
keys()
print(f"openai {openai.__version__}, anthropic {anthropic.__version__}, ollama passed")
