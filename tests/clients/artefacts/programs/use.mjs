import { Client, textOf } from "@dragoman/client";

const client = new Client({ target: process.argv[2] });
let said = "";
for await (const text of client.stream("Hello from the tarball!", { model: "echo" }).text()) said += text;
console.log(said);
console.log(textOf(await (await client.start("An operation.", { model: "echo" })).result()));
client.close();
