"""The vendor's generated clients of both packages, over gRPC and over REST: reported in JSON.

gapic.py ADDRESS URL KEY
"""

import asyncio
import json
import sys

import google.ai.generativelanguage_v1 as stable
import google.ai.generativelanguage_v1beta as beta
import google.cloud.aiplatform_v1 as vertex
from google.api_core import exceptions
from google.oauth2.credentials import Credentials

ADDRESS, URL, KEY = sys.argv[1:]
OPTIONS = {"api_endpoint": ADDRESS, "api_key": KEY}
PARENT = "projects/p/locations/us-central1/publishers/google/models/"
PROMPTS = {"prompt": "Tell me about nerve gas.", "answer": "What did you learn today?"}
QUESTION = "What is the capital of France?"


def asking(package, model, text=QUESTION, **fields):
    contents = [package.Content(role="user", parts=[package.Part(text=text)])]
    config = package.GenerationConfig(temperature=0, seed=1, max_output_tokens=24)
    return package.GenerateContentRequest(model=model, contents=contents, generation_config=config, **fields)


def told(response):
    candidate, usage = response.candidates[0], response.usage_metadata
    return {
        "text": "".join(part.text for part in candidate.content.parts),
        "reason": candidate.finish_reason.name,
        "usage": [usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count],
        "version": response.model_version,
    }


def texts(responses):
    return [part.text for response in responses for part in response.candidates[0].content.parts]


def calling(package, client, model):
    declared = package.FunctionDeclaration(name="weather", parameters=package.Schema(type_=package.Type.OBJECT))
    tools = [package.Tool(function_declarations=[declared])]
    request = asking(package, model, "And in Oslo?", tools=tools)
    answer = client.generate_content(request).candidates[0].content
    call = answer.parts[0].function_call
    result = package.FunctionResponse(name=call.name, response={"result": f"It snows in {call.args['city']}."})
    request.contents.extend([answer, package.Content(role="user", parts=[package.Part(function_response=result)])])
    return {"call": [call.name, dict(call.args)], **told(client.generate_content(request))}


async def asynchronously(client, request):
    whole = await client.generate_content(request)
    streamed = [response async for response in await client.stream_generate_content(request=request)]
    return {"whole": told(whole), "streamed": texts(streamed)}


def answers(client, request):
    chunks = list(client.stream_generate_content(request=request))
    return {"whole": told(client.generate_content(request)), "streamed": texts(chunks), "last": told(chunks[-1])}


def failures(client, package, parent):
    found = {}
    for name, model in {"unknown": "no-such-model", "overloaded": "overloaded", "broken": "breaking/echo"}.items():
        heard = []
        try:
            for response in client.stream_generate_content(request=asking(package, parent + model)):
                heard.append(response)
        except exceptions.GoogleAPICallError as error:
            found[name] = {"type": type(error).__name__, "message": error.message, "text": "".join(texts(heard))}
    return found


def ending(*responses):
    last = responses[-1]
    feedback = last.prompt_feedback
    return {
        "text": "".join(texts(response for response in responses if response.candidates)),
        "reasons": [candidate.finish_reason.name for candidate in last.candidates],
        "ratings": [rated(rating) for candidate in last.candidates for rating in candidate.safety_ratings],
        "block_reason": feedback.block_reason.name,
        "prompt_ratings": [rated(rating) for rating in feedback.safety_ratings],
    }


def rated(rating):
    return [rating.category.name, rating.probability.name, rating.blocked]


def blocked(package, client, model):
    requests = {name: asking(package, model, prompt) for name, prompt in PROMPTS.items()}
    return {
        name: [ending(client.generate_content(request)), ending(*client.stream_generate_content(request=request))]
        for name, request in requests.items()
    }


def of_vertex():
    client = vertex.PredictionServiceClient(client_options=OPTIONS)
    credentials = Credentials(token=KEY)
    with_token = vertex.PredictionServiceClient(credentials=credentials, client_options={"api_endpoint": ADDRESS})
    over_rest = vertex.PredictionServiceClient(client_options=OPTIONS | {"api_endpoint": URL}, transport="rest")
    counting = vertex.LlmUtilityServiceClient(client_options=OPTIONS)
    request = asking(vertex, f"{PARENT}gemini-2.5-flash")
    contents = asking(vertex, "", "three more words").contents
    count = vertex.CountTokensRequest(model=f"{PARENT}echo", contents=contents)
    tokens = vertex.ComputeTokensRequest(model=f"{PARENT}echo", contents=contents)
    wrong = vertex.PredictionServiceClient(client_options=OPTIONS | {"api_key": "wrong"})
    facts = {
        **answers(client, request),
        "over_rest": answers(over_rest, asking(vertex, f"{PARENT}echo")),
        "with_token": told(with_token.generate_content(request)),
        "call": calling(vertex, client, f"{PARENT}weather"),
        "count": counting.count_tokens(count).total_tokens,
        "tokens": [b"".join(info.tokens).decode() for info in counting.compute_tokens(tokens).tokens_info],
        "failures": failures(client, vertex, PARENT),
        "blocked": blocked(vertex, client, f"{PARENT}guarded"),
    }
    try:
        wrong.generate_content(request)
    except exceptions.Unauthenticated as error:
        facts["wrong key"] = error.message
    return facts


def of_gemini(package, **transport):
    options = {"api_endpoint": URL if transport else ADDRESS, "api_key": KEY}
    client = package.GenerativeServiceClient(client_options=options, **transport)
    models = package.ModelServiceClient(client_options=options, **transport)
    request = asking(package, "models/gemini-2.5-flash")
    facts = answers(client, request)
    facts["count"] = client.count_tokens(
        model="models/echo", contents=asking(package, "", "one two").contents
    ).total_tokens
    facts["models"] = [model.name for model in models.list_models(request={"page_size": 3})]
    facts["model"] = models.get_model(name="models/echo").display_name
    if package is beta:
        facts["blocked"] = blocked(package, client, "models/guarded")
        facts["call"] = calling(package, client, "models/weather")
        told_so = package.Content(parts=[package.Part(text='echo: {"text": "As I was told."}')])
        facts["told"] = told(client.generate_content(asking(package, "models/echo", system_instruction=told_so)))[
            "text"
        ]
    return facts


async def of_both():
    beta_client = beta.GenerativeServiceAsyncClient(client_options=OPTIONS)
    vertex_client = vertex.PredictionServiceAsyncClient(client_options=OPTIONS)
    return {
        "beta": await asynchronously(beta_client, asking(beta, "models/echo")),
        "vertex": await asynchronously(vertex_client, asking(vertex, f"{PARENT}echo")),
    }


facts = {
    "vertex": of_vertex(),
    "beta": of_gemini(beta),
    "stable": of_gemini(stable),
    "rest": of_gemini(beta, transport="rest"),
    "asynchronous": asyncio.run(of_both()),
}
print(json.dumps(facts))
