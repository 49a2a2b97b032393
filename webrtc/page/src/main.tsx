import { render } from "preact";
import "@preact/signals";
import { begun } from "./actions.ts";
import { App } from "./components/app.tsx";
import "./style/page.css";

render(<App />, document.getElementById("app")!);
void begun();
