"use strict";

function made(tag, options = {}, ...children) {
  const element = Object.assign(document.createElement(tag), options);
  element.append(...children);
  return element;
}

const words = (text) => (text || "").replace(/`/g, "");

function typeOf(schema) {
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items || {})}`;
  if (schema.format === "binary") return "file";
  const type = [schema.type || "any"].flat().join(" or ");
  const low = schema.minimum ?? schema.exclusiveMinimum, high = schema.maximum;
  return low === undefined && high === undefined ? type : `${type}, ${low ?? ""} to ${high ?? ""}`;
}

/** A row for each property; what has properties of its own shows them below, to be opened. */
function properties(schema) {
  const one = schema.type === "array" ? schema.items : schema;
  const rows = Object.entries(one.properties || {}).map(([name, value]) => {
    const inner = value.type === "array" ? value.items : value;
    const needed = (one.required || []).includes(name) ? "required" : "default" in value ? JSON.stringify(value.default) : "";
    const about = made("td", {}, words(value.description));
    const choices = inner && inner.properties ? [inner] : [];
    for (const choice of choices) about.append(made("details", {}, made("summary", {}, "its fields"), properties(choice)));
    return made("tr", {}, made("td", {}, made("code", {}, name)), made("td", {}, typeOf(value)), made("td", {}, needed), about);
  });
  const head = ["field", "type", "default", ""].map((name) => made("th", { scope: "col" }, name));
  const table = made("table", {}, made("thead", {}, made("tr", {}, ...head)), made("tbody", {}, ...rows));
  return made("div", { className: "wide", tabIndex: 0 }, table);
}

function content(title, types) {
  return Object.entries(types).flatMap(([type, { schema }]) => {
    const parts = [made("h3", {}, `${title}: `, made("code", {}, type))];
    for (const one of schema.anyOf || [schema]) {
      if (one.description) parts.push(made("p", { className: "small" }, words(one.description)));
      if (one.properties) parts.push(properties(one));
    }
    return parts;
  });
}

function route(method, path, operation) {
  const card = made("section", { className: "card" });
  card.append(made("h2", {}, made("code", {}, `${method.toUpperCase()} ${path}`)));
  card.append(made("p", {}, words(operation.description || operation.summary)));
  if (operation.parameters) {
    const fields = operation.parameters.map((each) => [each.name, each.schema]);
    const required = operation.parameters.filter((each) => each.required).map((each) => each.name);
    card.append(made("h3", {}, "Parameters"), properties({ properties: Object.fromEntries(fields), required }));
  }
  if (operation.requestBody) card.append(...content("Body", operation.requestBody.content));
  const answers = made("details", {}, made("summary", {}, "Answers"));
  for (const [status, answer] of Object.entries(operation.responses)) {
    answers.append(made("h3", {}, `${status}: ${answer.description}`), ...content("Answer", answer.content || {}));
  }
  card.append(answers);
  return card;
}

async function show() {
  const response = await fetch("openapi.json");
  const { info, paths } = await response.json();
  document.getElementById("about").textContent = info.description;
  const cards = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => route(method, path, operation)));
  document.getElementById("routes").replaceChildren(...cards);
}

show().catch((error) => { document.getElementById("about").textContent = `openapi.json cannot be read: ${error.message}`; });
