/** Starts the page. */

import "./style.css";

import { createRoot } from "react-dom/client";

import { addresses } from "./address";
import { App } from "./App";

const root = document.getElementById("root");
if (root) createRoot(root).render(<App at={addresses(document.baseURI)} />);
