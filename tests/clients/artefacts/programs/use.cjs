const { Client, textOf } = require("@dragoman/client");

const client = new Client({ target: process.argv[2] });
client.complete("Hello from CommonJS!", { model: "echo" }).then((completion) => {
  console.log(textOf(completion));
  client.close();
});
