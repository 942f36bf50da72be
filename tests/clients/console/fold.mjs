// Folds the events in the second argument with the console in the folder of the first, and prints the answer.

const { add, begin, textOf, tokens } = await import(`${process.argv[2]}/fold.js`);
const answer = begin();
for (const event of JSON.parse(process.argv[3])) add(answer, event);
const choices = answer.choices.map((one) => [
  textOf(one),
  one.calls.map((call) => [call.name, call.text]),
  one.finish?.finishReason,
]);
const { done, rerun } = answer;
console.log(JSON.stringify({ choices, tokens: tokens(answer), done, rerun, error: answer.error?.message ?? null }));
