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
# Anthropic's client has no argument for it any more. What is drawn may end before its limit.
GREEDY = {"temperature": 0}
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
    assert names == ["tiny", "network", "scripted", "far", "busy", "dead", "caller", "encoder"], names
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
    roles = [chunk.choices[0].index for chunk in chat(n=3, stream=True) if chunk.choices[0].delta.role]
    assert roles == [0, 1, 2], roles

    first = answer.choices[0].message.content
    stopped = chat(temperature=0, stop=[first[4:7]]).choices[0]
    assert stopped.finish_reason == "stop" and stopped.message.content == first[: first.index(first[4:7])], stopped

    logprobs = chat(seed=1, logprobs=True).choices[0].logprobs.content
    assert len(logprobs) == 12 and all(token.logprob <= 0 for token in logprobs), logprobs
    greedy = chat(temperature=0, logprobs=True, top_logprobs=5).choices[0].logprobs.content
    for token in greedy:
        ranks = [other.logprob for other in token.top_logprobs]
        assert len(ranks) == 5 and ranks == sorted(ranks, reverse=True), token
        assert token.top_logprobs[0].bytes == token.bytes and ranks[0] == token.logprob, token
    assert "".join(token.token for token in greedy) == answer.choices[0].message.content, greedy
    chunks = list(chat(temperature=0, logprobs=True, top_logprobs=5, stream=True))
    told = [token for chunk in chunks if chunk.choices[0].logprobs for token in chunk.choices[0].logprobs.content]
    assert told == greedy, told
    text = client.completions.create(model="tiny", prompt="web1 is", max_tokens=6, logprobs=2, temperature=0).choices[0]
    assert text.text and len(text.logprobs.token_logprobs) == 6, text
    assert [len(top) for top in text.logprobs.top_logprobs] == [2] * 6, text
    assert text.text[text.logprobs.text_offset[2] :] == "".join(text.logprobs.tokens[2:]), text
    several = client.completions.create(model="tiny", prompt=["web1 is", "mail2 was"], n=2, max_tokens=5, seed=1)
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3], several
    first = client.completions.create(model="tiny", prompt="web1 is", n=2, max_tokens=5, seed=1)
    assert [choice.text for choice in several.choices[:2]] == [choice.text for choice in first.choices], several
    assert several.usage.completion_tokens == 20 and several.usage.prompt_tokens > first.usage.prompt_tokens, several
    fails(openai.BadRequestError, lambda: chat("scripted", logprobs=True, top_logprobs=2), 400, "scripted")
    fails(openai.BadRequestError, lambda: chat(logprobs=True, top_logprobs=21), 400, "top_logprobs")

    tools = [{"type": "function", "function": {"name": "person", "description": "Tells who.", "parameters": PERSON}}]
    named = {"type": "function", "function": {"name": "person"}}
    for choice in ["required", named]:
        made = chat("caller", tools=tools, tool_choice=choice, seed=1, max_tokens=200).choices[0]
        assert made.finish_reason == "tool_calls" and made.message.content is None, made
        call = made.message.tool_calls[0]
        assert call.function.name == "person" and set(json.loads(call.function.arguments)) == {"name", "age"}, call
        parts = list(chat("caller", tools=tools, tool_choice=choice, seed=1, max_tokens=200, stream=True))
        deltas = [call for part in parts for call in part.choices[0].delta.tool_calls or []]
        assert deltas[0].function.arguments == call.function.arguments and deltas[0].id, deltas
        assert parts[-1].choices[0].finish_reason == "tool_calls", parts[-1]
        turns = [*TURN, made.message.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": "known"}]
        assert chat("caller", tools=tools, messages=turns).choices[0].message.role == "assistant"
    assert chat("caller", tools=tools, tool_choice="none").choices[0].message.tool_calls is None
    fails(openai.BadRequestError, lambda: chat(tools=tools), 400, "tools to `tiny`")
    assert chat("far", tools=tools).usage.completion_tokens == 12

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
    vectors = client.embeddings.create(model="encoder", input=["a host", "ports"]).data
    assert len(vectors) == 2 and len(vectors[0].embedding) == len(vectors[1].embedding) > 0, vectors
    few = lambda: client.embeddings.create(model="encoder", input="text", dimensions=1)
    fails(openai.BadRequestError, few, 400, "dimensions")


def anthropic_client():
    client = anthropic.Anthropic(base_url=open_url, api_key="none", max_retries=0)

    def message(model="tiny", **more):
        return client.messages.create(model=model, max_tokens=8, messages=TURN, extra_body=GREEDY, **more)

    answer = message(system="Say how it is.")
    assert answer.role == "assistant" and answer.content[0].type == "text" and answer.content[0].text, answer
    assert answer.stop_reason == "max_tokens" and answer.usage.output_tokens == 8, answer
    with client.messages.stream(model="tiny", max_tokens=8, messages=TURN, extra_body=GREEDY) as stream:
        text = "".join(stream.text_stream)
        whole = stream.get_final_message()
    assert text and text == whole.content[0].text and whole.usage.output_tokens == 8, whole
    assert whole.stop_reason == "max_tokens", whole
    kinds = [event.type for event in message(stream=True)]
    assert kinds[:2] == ["message_start", "content_block_start"] and kinds[-1] == "message_stop", kinds
    assert answer.stop_sequence is None, answer
    greedy = dict(model="tiny", max_tokens=40, messages=TURN, extra_body=GREEDY)
    long = client.messages.create(**greedy)
    part = long.content[0].text[10:14]
    stopped = client.messages.create(**greedy, stop_sequences=["\0none", part])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", part), stopped
    assert stopped.content[0].text == long.content[0].text[: long.content[0].text.index(part)], stopped
    counted = client.messages.count_tokens(model="tiny", messages=TURN, system="Say how it is.").input_tokens
    assert counted == message(system="Say how it is.").usage.input_tokens, counted
    tools = [{"name": "person", "description": "Tells who.", "input_schema": PERSON}]
    for choice in [{"type": "any"}, {"type": "tool", "name": "person"}]:
        asked = dict(model="caller", max_tokens=200, messages=TURN, tools=tools, tool_choice=choice)
        made = client.messages.create(**asked)
        block = made.content[0]
        assert made.stop_reason == "tool_use" and block.type == "tool_use" and set(block.input) == {"name", "age"}, made
        with client.messages.stream(**asked) as stream:
            whole = stream.get_final_message()
        assert whole.stop_reason == "tool_use" and whole.content[0].name == "person", whole
        assert set(whole.content[0].input) == {"name", "age"}, whole
        turns = [
            *TURN,
            {"role": "assistant", "content": made.content},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": block.id, "content": "known"}]},
        ]
        assert client.messages.create(model="caller", max_tokens=4, messages=turns, tools=tools).type == "message"
        more = client.messages.count_tokens(model="caller", messages=turns, tools=tools).input_tokens
        assert more > client.messages.count_tokens(model="caller", messages=TURN).input_tokens, more
    offered = lambda: client.messages.create(model="tiny", max_tokens=4, messages=TURN, tools=tools)
    fails(anthropic.BadRequestError, offered, 400, "tools to `tiny`")
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
    details = listed["tiny"].details
    assert details.format == "gguf" and details.parameter_size.endswith("M"), details
    assert listed["encoder"].details.format == "onnx" and listed["encoder"].modified_at.year >= 2020, listed
    shown = client.show("tiny")
    assert shown.details.format == "gguf" and "completion" in shown.capabilities, shown
    family = shown.modelinfo["general.architecture"]
    assert shown.modelinfo[f"{family}.context_length"] > 100 and "tools" not in shown.capabilities, shown
    assert "tools" in client.show("caller").capabilities and client.show("encoder").capabilities == ["embedding"]
    both = client.embed(model="encoder", input=["a host", "ports"])
    assert len(both.embeddings) == 2 and both.prompt_eval_count > 0, both
    assert list(client.embeddings(model="encoder", prompt="ports").embedding) == list(both.embeddings[1])
    fails(ollama.ResponseError, lambda: client.embed(model="tiny", input="x"), 400, "embed")
    fails(ollama.ResponseError, lambda: client.show("nobody"), 404, "nobody")

    def person(name: str, age: int) -> str:
        """Tells who.

        Args:
          name: the name
          age: the age
        """
        return name

    answer = client.chat(model="caller", messages=TURN, tools=[person], options=few)
    assert answer.message.role == "assistant" and answer.eval_count > 0, answer
    made = {"role": "assistant", "tool_calls": [{"function": {"name": "person", "arguments": {"name": "a", "age": 1}}}]}
    turns = [*TURN, made, {"role": "tool", "content": "known", "tool_name": "person"}]
    assert client.chat(model="caller", messages=turns, tools=[person], options=few).message.role == "assistant"
    fails(ollama.ResponseError, lambda: client.chat(model="tiny", messages=TURN, tools=[person]), 400, "tools to `tiny`")
    # A route that is not served is refused in words, not as an object.
    unknown = fails(ollama.ResponseError, lambda: client.pull("tiny"), 404)
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
